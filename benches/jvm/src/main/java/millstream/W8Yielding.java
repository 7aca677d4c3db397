package millstream;

import io.reactivex.rxjava3.core.Flowable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Each item through a future, sixteen at a time, in order: futures that go to the end of the queue
 * of the one thread that all of it is on.
 */
@OperationsPerInvocation(Workload.ITEMS)
public class W8Yielding extends Workload {
    @Param("W8/yielding")
    public String workload;

    private static final long EXPECTED = 5_000_050_000L;
    private static final int AT_ONCE = 16;

    /** Looked up once, and by nobody but Pekko. */
    private static final class Pekko {
        static final Executor EXECUTOR = On.Pekko.executor("thread-0");
    }

    private static Mono<Integer> mono(Integer item) {
        return Mono.fromCallable(() -> item + 1).subscribeOn(On.Reactor.THREAD[0]);
    }

    private static Flowable<Integer> flowable(Integer item) {
        return Flowable.fromCallable(() -> item + 1).subscribeOn(On.RxJava.THREAD[0]);
    }

    private static CompletionStage<Integer> stage(Integer item) {
        return CompletableFuture.supplyAsync(() -> item + 1, Pekko.EXECUTOR);
    }

    @Benchmark
    public long reactor() {
        Sum sum = new Sum.Awaited();
        Flux.range(0, items)
                .flatMapSequential(item -> mono(item), AT_ONCE)
                .subscribeOn(On.Reactor.THREAD[0])
                .subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long rxjava() {
        Sum sum = new Sum.Awaited();
        Flowable.range(0, items)
                .concatMapEager(item -> flowable(item), AT_ONCE, 1)
                .subscribeOn(On.RxJava.THREAD[0])
                .subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long pekko() {
        return expect(
                EXPECTED,
                On.Pekko.sum(
                        Source.range(0, items - 1).mapAsync(AT_ONCE, item -> stage(item)),
                        "thread-0"));
    }
}
