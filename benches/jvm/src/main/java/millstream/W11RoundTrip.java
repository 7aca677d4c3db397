package millstream;

import io.reactivex.rxjava3.core.Flowable;
import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.SubmissionPublisher;
import java.util.concurrent.SynchronousQueue;
import org.apache.pekko.stream.javadsl.Source;
import reactor.core.publisher.Flux;

/**
 * One item to another thread and back: a boundary with room for one, so that for each item a
 * request goes one way and the item the other. A program that prints, for each run of the pipeline, the
 * median of its round trips in nanoseconds.
 *
 * <p>{@code W11RoundTrip PEER RUNS}
 */
final class W11RoundTrip {
    private W11RoundTrip() {}

    static final String WORKLOAD = "W11";
    static final String[] PEERS = {"reactor", "rxjava", "pekko", "jdk", "jdkQueue"};

    private static final int TRIPS = Workload.ITEMS / 10;

    /** Round trips before the first that counts. */
    private static final int WARM = 1000;

    public static void main(String[] arguments) {
        String peer = arguments[0];
        for (int run = Integer.parseInt(arguments[1]); run > 0; run--) {
            System.out.println(median(peer));
        }
    }

    private static long median(String peer) {
        if (peer.equals("jdkQueue")) {
            return queues().median();
        }
        Laps laps = new Laps();
        switch (peer) {
            case "reactor" ->
                    Flux.range(0, TRIPS + WARM)
                            .hide()
                            .subscribeOn(On.Reactor.THREAD[0])
                            .publishOn(On.Reactor.THREAD[1], 1)
                            .subscribe(laps);
            case "rxjava" ->
                    Flowable.range(0, TRIPS + WARM)
                            .hide()
                            .subscribeOn(On.RxJava.THREAD[0])
                            .observeOn(On.RxJava.THREAD[1], false, 1)
                            .subscribe(laps);
            case "pekko" ->
                    On.Pekko.run(
                            Source.range(0, TRIPS + WARM - 1).async("thread-0", 1),
                            laps,
                            "thread-1",
                            1);
            case "jdk" -> {
                SubmissionPublisher<Integer> publisher =
                        new SubmissionPublisher<>(On.Jdk.THREAD[1], 1);
                publisher.subscribe(laps);
                On.Jdk.THREAD[0].execute(
                        () -> {
                            for (int item = 0; item < TRIPS + WARM; item++) {
                                publisher.submit(item);
                            }
                            publisher.close();
                        });
            }
            default -> throw new IllegalArgumentException(peer);
        }
        Workload.expect(TRIPS + WARM, laps.get());
        return laps.median();
    }

    /** No publisher: two threads and a queue each way. */
    private static Laps queues() {
        BlockingQueue<Integer> ping = new SynchronousQueue<>();
        BlockingQueue<Integer> pong = new SynchronousQueue<>();
        int trips = TRIPS + WARM;
        On.Jdk.THREAD[0].execute(
                () -> {
                    try {
                        for (int item = 0; item < trips; item++) {
                            pong.put(ping.take() + 1);
                        }
                    } catch (InterruptedException interrupted) {
                        throw new AssertionError(interrupted);
                    }
                });
        Laps laps = new Laps();
        try {
            for (int item = 0; item < trips; item++) {
                ping.put(item);
                Integer back = pong.take();
                Workload.expect(item + 1, back);
                laps.onNext(back);
            }
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
        return laps;
    }

    /** Takes the time between each item and the next. */
    private static final class Laps extends Sum.Awaited {
        private final long[] nanoseconds = new long[TRIPS + WARM];
        private long last = System.nanoTime();

        @Override
        public void onNext(Integer item) {
            long now = System.nanoTime();
            nanoseconds[(int) total++] = now - last;
            last = now;
        }

        long median() {
            long[] counted = Arrays.copyOfRange(nanoseconds, WARM, WARM + TRIPS);
            Arrays.sort(counted);
            return counted[TRIPS / 2];
        }
    }
}
