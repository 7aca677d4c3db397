package millstream;

import io.reactivex.rxjava3.core.Flowable;
import java.util.List;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/** Chunks of a hundred, each a list of its own; the sink looks at both ends of each. */
@OperationsPerInvocation(Workload.ITEMS)
public class W6Chunks extends Workload {
    @Param("W6/chunks")
    public String workload;

    private static final long EXPECTED = 99_999_000L;
    private static final int SIZE = 100;

    private static final class Ends extends Result<List<Integer>> {
        @Override
        public void onNext(List<Integer> chunk) {
            total += chunk.get(0) + chunk.get(chunk.size() - 1);
        }
    }

    @Benchmark
    public long reactor() {
        Ends ends = new Ends();
        Flux.range(0, items).buffer(SIZE).subscribe(ends);
        return expect(EXPECTED, ends.get());
    }

    @Benchmark
    public long rxjava() {
        Ends ends = new Ends();
        Flowable.range(0, items).buffer(SIZE).subscribe(ends);
        return expect(EXPECTED, ends.get());
    }

    @Benchmark
    public long pekko() {
        Ends ends = new Ends();
        On.Pekko.run(Source.range(0, items - 1).grouped(SIZE), ends);
        return expect(EXPECTED, ends.get());
    }
}
