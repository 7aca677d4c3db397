package millstream;

import io.reactivex.rxjava3.core.Flowable;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/** Windows of a hundred, read one after another. */
@OperationsPerInvocation(Workload.ITEMS)
public class W6Windows extends Workload {
    @Param("W6/windows")
    public String workload;

    private static final long EXPECTED = 4_999_950_000L;
    private static final int SIZE = 100;

    @Benchmark
    public long reactor() {
        Sum sum = new Sum();
        Flux.range(0, items).window(SIZE).concatMap(window -> window).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long rxjava() {
        Sum sum = new Sum();
        Flowable.range(0, items).window(SIZE).concatMap(window -> window).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    /** It has no windows by number: the source is split after each hundredth item. */
    @Benchmark
    public long pekko() {
        return expect(
                EXPECTED,
                On.Pekko.sum(
                        Source.range(0, items - 1)
                                .splitAfter(item -> item % SIZE == SIZE - 1)
                                .concatSubstreams()));
    }
}
