package millstream;

import static millstream.W1Chain10.ten;

import io.reactivex.rxjava3.core.Flowable;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/** Fifty maps. */
@OperationsPerInvocation(Workload.ITEMS)
public class W1Chain50 extends Workload {
    @Param("W1/50 W1/boxed-50")
    public String workload;

    /** The low 32 bits of what the workload gives in Rust, where items have 64. */
    static final int EXPECTED = (int) 0xEDC026993867B830L;

    static Flux<Integer> fifty(Flux<Integer> items) {
        return ten(ten(ten(ten(ten(items)))));
    }

    static Flowable<Integer> fifty(Flowable<Integer> items) {
        return ten(ten(ten(ten(ten(items)))));
    }

    static <M> Source<Integer, M> fifty(Source<Integer, M> items) {
        return ten(ten(ten(ten(ten(items)))));
    }

    @Benchmark
    public long reactor() {
        Sum sum = new Sum();
        fifty(Flux.range(0, items)).subscribe(sum);
        return expect(EXPECTED, (int) sum.get());
    }

    @Benchmark
    public long rxjava() {
        Sum sum = new Sum();
        fifty(Flowable.range(0, items)).subscribe(sum);
        return expect(EXPECTED, (int) sum.get());
    }

    @Benchmark
    public long pekko() {
        return expect(EXPECTED, (int) On.Pekko.sum(fifty(Source.range(0, items - 1))));
    }
}
