package millstream;

import io.reactivex.rxjava3.core.Flowable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Each item through a future, sixteen at a time, in order: futures that are ready. */
@OperationsPerInvocation(Workload.ITEMS)
public class W8Ready extends Workload {
    @Param("W8/ready")
    public String workload;

    private static final long EXPECTED = 5_000_050_000L;
    private static final int AT_ONCE = 16;

    private static Mono<Integer> mono(Integer item) {
        return Mono.fromCallable(() -> item + 1);
    }

    private static Flowable<Integer> flowable(Integer item) {
        return Flowable.fromCallable(() -> item + 1);
    }

    private static CompletionStage<Integer> stage(Integer item) {
        return CompletableFuture.completedFuture(item + 1);
    }

    @Benchmark
    public long reactor() {
        Sum sum = new Sum();
        Flux.range(0, items)
                .flatMapSequential(item -> mono(item), AT_ONCE)
                .subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long reactorUnordered() {
        Sum sum = new Sum();
        Flux.range(0, items).flatMap(item -> mono(item), AT_ONCE).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long rxjava() {
        Sum sum = new Sum();
        Flowable.range(0, items)
                .concatMapEager(item -> flowable(item), AT_ONCE, 1)
                .subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long rxjavaUnordered() {
        Sum sum = new Sum();
        Flowable.range(0, items).flatMap(item -> flowable(item), false, AT_ONCE).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long pekko() {
        return expect(
                EXPECTED,
                On.Pekko.sum(Source.range(0, items - 1).mapAsync(AT_ONCE, item -> stage(item))));
    }

    @Benchmark
    public long pekkoUnordered() {
        return expect(
                EXPECTED,
                On.Pekko.sum(
                        Source.range(0, items - 1)
                                .mapAsyncUnordered(AT_ONCE, item -> stage(item))));
    }
}
