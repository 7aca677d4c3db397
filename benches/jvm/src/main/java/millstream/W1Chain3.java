package millstream;

import io.reactivex.rxjava3.core.Flowable;
import java.util.stream.IntStream;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/** Map, filter, map; half of the items pass. */
@OperationsPerInvocation(Workload.ITEMS)
public class W1Chain3 extends Workload {
    @Param("W1/3 W1/boxed-3")
    public String workload;

    static final long EXPECTED = 7_500_150_000L;

    static Flux<Integer> chain(Flux<Integer> items) {
        return items.map(item -> item + 1).filter(item -> even(item)).map(item -> item * 3);
    }

    static Flowable<Integer> chain(Flowable<Integer> items) {
        return items.map(item -> item + 1).filter(item -> even(item)).map(item -> item * 3);
    }

    static <M> Source<Integer, M> chain(Source<Integer, M> items) {
        return items.map(item -> item + 1).filter(item -> even(item)).map(item -> item * 3);
    }

    @Benchmark
    public long reactor() {
        Sum sum = new Sum();
        chain(Flux.range(0, items)).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long reactorHidden() {
        Sum sum = new Sum();
        chain(Flux.range(0, items).hide()).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long rxjava() {
        Sum sum = new Sum();
        chain(Flowable.range(0, items)).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long rxjavaHidden() {
        Sum sum = new Sum();
        chain(Flowable.range(0, items).hide()).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long pekko() {
        return expect(EXPECTED, On.Pekko.sum(chain(Source.range(0, items - 1))));
    }

    @Benchmark
    public long jdk() {
        Sum sum = new Sum();
        IntStream.range(0, items)
                .boxed()
                .map(item -> item + 1)
                .filter(item -> even(item))
                .map(item -> item * 3)
                .forEach(sum::onNext);
        return expect(EXPECTED, sum.total);
    }
}
