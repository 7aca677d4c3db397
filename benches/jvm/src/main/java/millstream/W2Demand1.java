package millstream;

import static millstream.W1Chain3.EXPECTED;
import static millstream.W1Chain3.chain;

import io.reactivex.rxjava3.core.Flowable;
import org.apache.pekko.stream.javadsl.AsPublisher;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/** Map, filter, map; one item asked for at a time. */
@OperationsPerInvocation(Workload.ITEMS)
public class W2Demand1 extends Workload {
    @Param("W2/1")
    public String workload;

    private static final int BATCH = 1;

    @Benchmark
    public long reactor() {
        Sum.Batches sum = new Sum.Batches(BATCH);
        chain(Flux.range(0, items)).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    @Benchmark
    public long rxjava() {
        Sum.Batches sum = new Sum.Batches(BATCH);
        chain(Flowable.range(0, items)).subscribe(sum);
        return expect(EXPECTED, sum.get());
    }

    /** Its sinks pull, and a pull is demand for one: the same for each batch. */
    @Benchmark
    public long pekko() {
        return expect(EXPECTED, On.Pekko.sum(chain(Source.range(0, items - 1))));
    }

    /** As a publisher for anybody: each request is a message to its actor. */
    @Benchmark
    public long pekkoPublisher() {
        Sum.Batches sum = new Sum.Batches(BATCH);
        chain(Source.range(0, items - 1))
                .runWith(Sink.asPublisher(AsPublisher.WITHOUT_FANOUT), On.Pekko.MATERIALIZER)
                .subscribe(sum);
        return expect(EXPECTED, sum.get());
    }
}
