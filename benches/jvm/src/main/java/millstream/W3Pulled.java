package millstream;

import io.reactivex.rxjava3.core.Flowable;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/** A hop whose source is pulled where the sink is. */
@OperationsPerInvocation(Workload.MANY)
public class W3Pulled extends Workload {
    @Param("W3/pulled")
    public String workload;

    private long reactor(Flux<Integer> items) {
        Sum sum = new Sum.Awaited();
        items.publishOn(On.Reactor.THREAD[1], BUFFER).map(item -> item * 3).subscribe(sum);
        return expect(W3Hop.EXPECTED, sum.get());
    }

    private long rxjava(Flowable<Integer> items) {
        Sum sum = new Sum.Awaited();
        items.observeOn(On.RxJava.THREAD[1], false, BUFFER).map(item -> item * 3).subscribe(sum);
        return expect(W3Hop.EXPECTED, sum.get());
    }

    @Benchmark
    public long reactor() {
        return reactor(Flux.range(0, many).map(item -> item + 1));
    }

    /** The source cannot be pulled: it is on the thread that subscribes, and its items cross. */
    @Benchmark
    public long reactorHidden() {
        return reactor(Flux.range(0, many).map(item -> item + 1).hide());
    }

    @Benchmark
    public long rxjava() {
        return rxjava(Flowable.range(0, many).map(item -> item + 1));
    }

    /** As {@link #reactorHidden}. */
    @Benchmark
    public long rxjavaHidden() {
        return rxjava(Flowable.range(0, many).map(item -> item + 1).hide());
    }

    /** Without a boundary: all of it is on another thread than the one that waits. */
    @Benchmark
    public long pekko() {
        Source<Integer, NotUsed> items = Source.range(0, many - 1).map(item -> item + 1);
        return expect(
                W3Hop.EXPECTED, On.Pekko.sum(items.map(item -> item * 3), "thread-1"));
    }
}
