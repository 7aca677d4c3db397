package millstream;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * One task, done by several libraries. A class for each workload of {@code benches/src/workloads},
 * and a method for each way to do it: {@code reactor}, {@code rxjava}, {@code pekko}, {@code jdk}.
 *
 * <p>The field {@code workload} of each class is the workload's name there, or more than one with
 * spaces between. It is a parameter of the benchmark, so that the results carry it.
 *
 * <p>A fresh JVM for each method: it sees the types of one pipeline only, as is best for it.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(value = 1, jvmArgs = {"-Xmx4g", "-Drx3.computation-threads=2"})
@Warmup(iterations = 5, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 6, time = 150, timeUnit = TimeUnit.MILLISECONDS)
public abstract class Workload {
    /** As many as where {@code cargo xtask compare} runs the workloads of Rust. */
    static final int ITEMS = 100_000;

    /** The items of a workload in which much is paid once: waking threads, opening groups. */
    static final int MANY = 10 * ITEMS;

    /** How many items a boundary has room for. */
    static final int BUFFER = 256;

    /** Fields, and not constants, so that no compiler knows them. */
    int items = ITEMS;

    int many = MANY;

    /** The result, once it is known to be right. */
    static long expect(long expected, long result) {
        if (result != expected) {
            throw new AssertionError("the result is " + result + " and not " + expected);
        }
        return result;
    }

    /** What a stage of a deep chain does. */
    static int step(int item) {
        return item * 3 ^ 1;
    }

    static boolean even(int item) {
        return item % 2 == 0;
    }
}
