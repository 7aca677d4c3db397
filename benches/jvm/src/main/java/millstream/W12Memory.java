package millstream;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * Three boundaries of 256 under a slow consumer. A program that prints the most memory that its
 * process had, in kilobytes.
 *
 * <p>{@code W12Memory PEER ITEMS}
 */
final class W12Memory {
    private W12Memory() {}

    static final String WORKLOAD = "W12";

    /** {@code bare} starts no pipeline: what a JVM takes at least. */
    static final String[] PEERS = {"bare", "reactor", "rxjava", "pekko", "jdk"};

    static final int ITEMS = 100 * Workload.ITEMS;

    public static void main(String[] arguments) throws IOException {
        run(arguments[0], Integer.parseInt(arguments[1]));
        try (Stream<String> status = Files.lines(Path.of("/proc/self/status"))) {
            System.out.println(
                    status.filter(line -> line.startsWith("VmHWM:"))
                            .map(line -> line.replaceAll("[^0-9]", ""))
                            .findFirst()
                            .orElseThrow());
        }
    }

    private static void run(String peer, int items) {
        W3Hop hops = new W3Hop() {};
        hops.many = items;
        hops.last = W12Memory::slow;
        hops.expected = (long) items * (items + 1L) / 2;
        switch (peer) {
            case "bare" -> {}
            case "reactor" -> hops.reactor(3, hop -> On.ReactorPool.TWO);
            case "rxjava" -> hops.rxjava(3, hop -> On.RxJavaPool.TWO);
            case "pekko" -> hops.pekko(3, hop -> On.Pekko.TWO);
            case "jdk" -> hops.jdk(3);
            default -> throw new IllegalArgumentException(peer);
        }
    }

    /** Slower than any producer here. */
    private static int slow(int item) {
        long start = System.nanoTime();
        while (System.nanoTime() - start < 150) {
            Thread.onSpinWait();
        }
        return item;
    }
}
