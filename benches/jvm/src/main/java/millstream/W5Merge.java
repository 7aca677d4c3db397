package millstream;

import io.reactivex.rxjava3.core.Flowable;
import java.util.List;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/** Four sources merged, each with a part of the items. */
@OperationsPerInvocation(Workload.ITEMS)
public class W5Merge extends Workload {
    @Param("W5/merge W5/boxed W5/pushed")
    public String workload;

    private static final long EXPECTED = 4_999_950_000L;

    private Flux<Integer> flux(int part) {
        int size = items / 4;
        return Flux.range(part * size, size);
    }

    private Flowable<Integer> flowable(int part) {
        int size = items / 4;
        return Flowable.range(part * size, size);
    }

    private Source<Integer, NotUsed> source(int part) {
        int size = items / 4;
        return Source.range(part * size, (part + 1) * size - 1);
    }

    @Benchmark
    public long reactor() {
        Sum sum = new Sum();
        Flux.merge(BUFFER, flux(0), flux(1), flux(2), flux(3)).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    /** Sources that cannot be pulled. */
    @Benchmark
    public long reactorHidden() {
        Sum sum = new Sum();
        Flux.merge(BUFFER, flux(0).hide(), flux(1).hide(), flux(2).hide(), flux(3).hide())
                .subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long rxjava() {
        Sum sum = new Sum();
        Flowable.mergeArray(4, BUFFER, flowable(0), flowable(1), flowable(2), flowable(3))
                .subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    /** As {@link #reactorHidden}. */
    @Benchmark
    public long rxjavaHidden() {
        Sum sum = new Sum();
        Flowable.mergeArray(
                        4,
                        BUFFER,
                        flowable(0).hide(),
                        flowable(1).hide(),
                        flowable(2).hide(),
                        flowable(3).hide())
                .subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long pekko() {
        List<Source<Integer, NotUsed>> others = List.of(source(1), source(2), source(3));
        return expect(EXPECTED, On.Pekko.sum(source(0).mergeAll(others, false)));
    }
}
