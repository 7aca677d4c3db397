package millstream;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Three hops between four threads. */
public class W3Hop3 extends W3Hop {
    @Param("W3/3")
    public String workload;

    private static final int HOPS = 3;

    @Benchmark
    public long reactor() {
        return reactor(HOPS, hop -> On.Reactor.THREAD[hop]);
    }

    @Benchmark
    public long reactorPool() {
        return reactor(HOPS, hop -> On.ReactorPool.TWO);
    }

    @Benchmark
    public long rxjava() {
        return rxjava(HOPS, hop -> On.RxJava.THREAD[hop]);
    }

    @Benchmark
    public long rxjavaPool() {
        return rxjava(HOPS, hop -> On.RxJavaPool.TWO);
    }

    @Benchmark
    public long pekko() {
        return pekko(HOPS, hop -> "thread-" + hop);
    }

    @Benchmark
    public long pekkoPool() {
        return pekko(HOPS, hop -> On.Pekko.TWO);
    }

    @Benchmark
    public long jdk() {
        return jdk(HOPS);
    }
}
