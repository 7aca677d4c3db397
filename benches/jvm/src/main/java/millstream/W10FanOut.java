package millstream;

import io.reactivex.rxjava3.core.Flowable;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/** Each item to eight subscribers, per item and subscriber. */
@OperationsPerInvocation(W10FanOut.SUBSCRIBERS * Workload.ITEMS)
public class W10FanOut extends Workload {
    @Param("W10")
    public String workload;

    static final int SUBSCRIBERS = 8;

    private static final long EXPECTED = SUBSCRIBERS * 4_999_950_000L;

    private static long sum(Consumer<Sum> subscribe) {
        Sum[] sums = new Sum[SUBSCRIBERS];
        for (int n = 0; n < SUBSCRIBERS; n++) {
            sums[n] = new Sum();
            subscribe.accept(sums[n]);
        }
        long total = 0;
        for (Sum sum : sums) {
            total += sum.get();
        }
        return expect(EXPECTED, total);
    }

    @Benchmark
    public long reactor() {
        Flux<Integer> shared = Flux.range(0, items).publish(BUFFER).autoConnect(SUBSCRIBERS);
        return sum(sum -> shared.subscribe(sum));
    }

    @Benchmark
    public long rxjava() {
        Flowable<Integer> shared =
                Flowable.range(0, items).publish(BUFFER).autoConnect(SUBSCRIBERS);
        return sum(sum -> shared.subscribe(sum));
    }

    /** Within one graph: nobody subscribes later, and there is no queue. */
    @Benchmark
    public long pekko() {
        Source<Integer, NotUsed> shared = Source.range(0, items - 1);
        List<Sum> sums = new ArrayList<>();
        for (int n = 1; n < SUBSCRIBERS; n++) {
            Sum sum = new Sum();
            sums.add(sum);
            shared = shared.alsoTo(Sink.foreach(sum::onNext));
        }
        long total = On.Pekko.sum(shared);
        for (Sum sum : sums) {
            total += sum.total;
        }
        return expect(EXPECTED, total);
    }
}
