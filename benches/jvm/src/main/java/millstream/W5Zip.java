package millstream;

import io.reactivex.rxjava3.core.Flowable;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/** Two sources zipped. */
@OperationsPerInvocation(Workload.ITEMS)
public class W5Zip extends Workload {
    @Param("W5/zip")
    public String workload;

    private static final long EXPECTED = 9_999_900_000L;

    private long reactor(Flux<Integer> one, Flux<Integer> other) {
        Sum sum = new Sum();
        one.zipWith(other, BUFFER, (a, b) -> a + b).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    private long rxjava(Flowable<Integer> one, Flowable<Integer> other) {
        Sum sum = new Sum();
        one.zipWith(other, (a, b) -> a + b, false, BUFFER).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long reactor() {
        return reactor(Flux.range(0, items), Flux.range(0, items));
    }

    /** Sources that cannot be pulled. */
    @Benchmark
    public long reactorHidden() {
        return reactor(Flux.range(0, items).hide(), Flux.range(0, items).hide());
    }

    @Benchmark
    public long rxjava() {
        return rxjava(Flowable.range(0, items), Flowable.range(0, items));
    }

    /** As {@link #reactorHidden}. */
    @Benchmark
    public long rxjavaHidden() {
        return rxjava(Flowable.range(0, items).hide(), Flowable.range(0, items).hide());
    }

    @Benchmark
    public long pekko() {
        Source<Integer, NotUsed> one = Source.range(0, items - 1);
        return expect(
                EXPECTED,
                On.Pekko.sum(one.zipWith(Source.range(0, items - 1), (a, b) -> a + b)));
    }
}
