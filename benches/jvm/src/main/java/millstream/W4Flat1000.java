package millstream;

import io.reactivex.rxjava3.core.Flowable;
import java.util.function.Function;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/** flat_map into inner streams of a thousand, up to 256 at a time. */
@OperationsPerInvocation(Workload.ITEMS)
public class W4Flat1000 extends Workload {
    @Param("W4/flat-1000")
    public String workload;

    private static final long EXPECTED = 4_999_950_000L;

    /** How many items an inner stream has, which no compiler knows. */
    int size = 1000;

    private long reactor(Function<Integer, Flux<Integer>> inner) {
        Sum sum = new Sum();
        Flux.range(0, items / size).flatMap(inner, BUFFER, BUFFER).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    private long rxjava(io.reactivex.rxjava3.functions.Function<Integer, Flowable<Integer>> inner) {
        Sum sum = new Sum();
        Flowable.range(0, items / size).flatMap(inner, false, BUFFER, BUFFER).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    private long pekko(
            org.apache.pekko.japi.function.Function<Integer, Source<Integer, NotUsed>> inner) {
        Source<Integer, NotUsed> outer = Source.range(0, items / size - 1);
        return expect(EXPECTED, On.Pekko.sum(outer.flatMapMerge(BUFFER, inner)));
    }

    /** A range is pulled. */
    @Benchmark
    public long reactor() {
        return reactor(index -> Flux.range(index * size, size));
    }

    /** The inner stream pushes. */
    @Benchmark
    public long reactorHidden() {
        return reactor(index -> Flux.range(index * size, size).hide());
    }

    /** As {@link #reactor}. */
    @Benchmark
    public long rxjava() {
        return rxjava(index -> Flowable.range(index * size, size));
    }

    /** As {@link #reactorHidden}. */
    @Benchmark
    public long rxjavaHidden() {
        return rxjava(index -> Flowable.range(index * size, size).hide());
    }

    @Benchmark
    public long pekko() {
        return pekko(index -> Source.range(index * size, (index + 1) * size - 1));
    }
}
