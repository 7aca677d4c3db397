package millstream;

import io.reactivex.rxjava3.core.Flowable;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.SubSource;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import reactor.core.publisher.Flux;

/**
 * Items in 256 groups, counted: by the sink, to which each item comes all the way, or within each
 * group, where the method is called {@code Count}.
 */
@OperationsPerInvocation(Workload.MANY)
public class W7Groups extends Workload {
    @Param("W7")
    public String workload;

    private static final int GROUPS = 256;
    private static final int GROUP_BUFFER = 64;

    /** One of 256. */
    private static int key(int item) {
        return (int) (item * 0x9E37_79B9_7F4A_7C15L >>> 56);
    }

    @Benchmark
    public long reactor() {
        Sum sum = new Sum();
        Flux.range(0, many)
                .groupBy(item -> key(item), GROUP_BUFFER)
                .flatMap(group -> group.map(item -> 1), GROUPS, GROUP_BUFFER)
                .subscribe(sum);
        return expect(many, sum.get());
    }

    @Benchmark
    public long reactorCount() {
        Sum sum = new Sum();
        Flux.range(0, many)
                .groupBy(item -> key(item), GROUP_BUFFER)
                .flatMap(
                        group -> group.count().map(count -> count.intValue()),
                        GROUPS,
                        GROUP_BUFFER)
                .subscribe(sum);
        return expect(many, sum.get());
    }

    @Benchmark
    public long rxjava() {
        Sum sum = new Sum();
        Flowable.range(0, many)
                .groupBy(item -> key(item), item -> item, false, GROUP_BUFFER)
                .flatMap(group -> group.map(item -> 1), false, GROUPS, GROUP_BUFFER)
                .subscribe(sum);
        return expect(many, sum.get());
    }

    @Benchmark
    public long rxjavaCount() {
        Sum sum = new Sum();
        Flowable.range(0, many)
                .groupBy(item -> key(item), item -> item, false, GROUP_BUFFER)
                .flatMapSingle(
                        group -> group.count().map(count -> count.intValue()), false, GROUPS)
                .subscribe(sum);
        return expect(many, sum.get());
    }

    @Benchmark
    public long pekko() {
        SubSource<Integer, NotUsed> groups =
                Source.range(0, many - 1).groupBy(GROUPS, item -> key(item));
        return expect(many, On.Pekko.sum(groups.map(item -> 1).mergeSubstreams()));
    }

    @Benchmark
    public long pekkoCount() {
        SubSource<Integer, NotUsed> groups =
                Source.range(0, many - 1).groupBy(GROUPS, item -> key(item));
        return expect(
                many, On.Pekko.sum(groups.fold(0, (count, item) -> count + 1).mergeSubstreams()));
    }

    /** No groups that anybody could subscribe to: a map of counters. */
    @Benchmark
    public long bare() {
        long total = 0;
        for (long count :
                IntStream.range(0, many)
                        .boxed()
                        .collect(Collectors.groupingBy(item -> key(item), Collectors.counting()))
                        .values()) {
            total += count;
        }
        return expect(many, total);
    }
}
