package millstream;

import io.reactivex.rxjava3.core.Flowable;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.SubmissionPublisher;
import java.util.function.IntFunction;
import java.util.function.IntUnaryOperator;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.javadsl.Source;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import reactor.core.publisher.Flux;
import reactor.core.scheduler.Scheduler;

/** What crosses threads: a source on one, each stage on another, the sum on the last. */
@OperationsPerInvocation(Workload.MANY)
public abstract class W3Hop extends Workload {
    static final long EXPECTED = 1_500_001_500_000L;

    /** What the last stage does with an item. */
    IntUnaryOperator last = item -> item * 3;

    long expected = EXPECTED;

    /** The source and each stage on what {@code on} names. */
    long reactor(int hops, IntFunction<Scheduler> on) {
        Flux<Integer> items =
                Flux.range(0, many).map(item -> item + 1).subscribeOn(on.apply(0));
        for (int hop = 1; hop <= hops; hop++) {
            items = items.publishOn(on.apply(hop), BUFFER);
        }
        Sum sum = new Sum.Awaited();
        items.map(item -> last.applyAsInt(item)).subscribe(sum);
        return expect(expected, sum.get());
    }

    long rxjava(int hops, IntFunction<io.reactivex.rxjava3.core.Scheduler> on) {
        Flowable<Integer> items =
                Flowable.range(0, many).map(item -> item + 1).subscribeOn(on.apply(0));
        for (int hop = 1; hop <= hops; hop++) {
            items = items.observeOn(on.apply(hop), false, BUFFER);
        }
        Sum sum = new Sum.Awaited();
        items.map(item -> last.applyAsInt(item)).subscribe(sum);
        return expect(expected, sum.get());
    }

    long pekko(int hops, IntFunction<String> on) {
        Source<Integer, NotUsed> items =
                Source.range(0, many - 1).map(item -> item + 1).async(on.apply(0), BUFFER);
        for (int hop = 1; hop < hops; hop++) {
            items = items.map(item -> item).async(on.apply(hop), BUFFER);
        }
        items = items.map(item -> last.applyAsInt(item));
        return expect(expected, On.Pekko.sum(items, on.apply(hops)));
    }

    /** Whoever submits waits for room, so every publisher has a thread. */
    long jdk(int hops) {
        Sum sum =
                new Sum.Awaited() {
                    @Override
                    public void onNext(Integer item) {
                        total += last.applyAsInt(item);
                    }
                };
        SubmissionPublisher<Integer> first = new SubmissionPublisher<>(On.Jdk.THREAD[1], BUFFER);
        SubmissionPublisher<Integer> end = first;
        for (int hop = 2; hop <= hops; hop++) {
            Relay relay = new Relay(On.Jdk.THREAD[hop]);
            end.subscribe(relay);
            end = relay;
        }
        end.subscribe(sum);
        int count = many;
        On.Jdk.THREAD[0].execute(
                () -> {
                    for (int item = 0; item < count; item++) {
                        first.submit(item + 1);
                    }
                    first.close();
                });
        return expect(expected, sum.get());
    }

    /** Submits what it gets to the next. */
    private static final class Relay extends SubmissionPublisher<Integer>
            implements Flow.Processor<Integer, Integer> {
        Relay(Executor next) {
            super(next, BUFFER);
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            subscription.request(Long.MAX_VALUE);
        }

        @Override
        public void onNext(Integer item) {
            submit(item);
        }

        @Override
        public void onError(Throwable failure) {
            closeExceptionally(failure);
        }

        @Override
        public void onComplete() {
            close();
        }
    }
}
