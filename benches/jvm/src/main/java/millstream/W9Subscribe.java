package millstream;

import static millstream.W1Chain10.ten;

import io.reactivex.rxjava3.core.Flowable;
import java.util.stream.IntStream;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/** Ten maps: assemble them, subscribe, send one item, end. */
public class W9Subscribe extends Workload {
    @Param("W9")
    public String workload;

    private static final long EXPECTED = 14_762;

    /** How many items there are, which no compiler knows. */
    int one = 1;

    /** A range of one is a {@code just}. */
    @Benchmark
    public long reactor() {
        Sum sum = new Sum();
        ten(Flux.range(0, one)).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long reactorHidden() {
        Sum sum = new Sum();
        ten(Flux.range(0, one).hide()).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    /** As {@link #reactor}. */
    @Benchmark
    public long rxjava() {
        Sum sum = new Sum();
        ten(Flowable.range(0, one)).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long rxjavaHidden() {
        Sum sum = new Sum();
        ten(Flowable.range(0, one).hide()).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    /** An actor is started, and the end is waited for on another thread. */
    @Benchmark
    public long pekko() {
        return expect(EXPECTED, On.Pekko.sum(ten(Source.range(0, one - 1))));
    }

    @Benchmark
    public long jdk() {
        Sum sum = new Sum();
        ten(IntStream.range(0, one).boxed()).forEach(sum::onNext);
        return expect(EXPECTED, sum.total);
    }
}
