package millstream;

import io.reactivex.rxjava3.core.Flowable;
import java.util.stream.Stream;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/** Ten maps. */
@OperationsPerInvocation(Workload.ITEMS)
public class W1Chain10 extends Workload {
    @Param("W1/10 W1/boxed-10")
    public String workload;

    /** The low 32 bits of what the workload gives in Rust, where items have 64. */
    static final int EXPECTED = (int) 295_242_047_550_000L;

    /** Ten stages, each with a function of its own, as in a user's chain. */
    static Flux<Integer> ten(Flux<Integer> items) {
        return items
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item));
    }

    static Flowable<Integer> ten(Flowable<Integer> items) {
        return items
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item));
    }

    static <M> Source<Integer, M> ten(Source<Integer, M> items) {
        return items
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item));
    }

    static Stream<Integer> ten(Stream<Integer> items) {
        return items
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item))
                .map(item -> step(item));
    }

    @Benchmark
    public long reactor() {
        Sum sum = new Sum();
        ten(Flux.range(0, items)).subscribe(sum);
        return expect(EXPECTED, (int) sum.get());
    }

    @Benchmark
    public long rxjava() {
        Sum sum = new Sum();
        ten(Flowable.range(0, items)).subscribe(sum);
        return expect(EXPECTED, (int) sum.get());
    }

    @Benchmark
    public long pekko() {
        return expect(EXPECTED, (int) On.Pekko.sum(ten(Source.range(0, items - 1))));
    }
}
