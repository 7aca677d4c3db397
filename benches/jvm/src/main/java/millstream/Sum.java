package millstream;

import java.util.concurrent.CountDownLatch;
import org.reactivestreams.Subscription;

/** Adds up what it gets. */
class Sum extends Result<Integer> {
    @Override
    public void onNext(Integer item) {
        total += item;
    }

    /** One whose pipeline ends on another thread: {@link #get} waits for that. */
    static class Awaited extends Sum {
        private final CountDownLatch end = new CountDownLatch(1);

        @Override
        public void onComplete() {
            super.onComplete();
            end.countDown();
        }

        @Override
        long get() {
            try {
                end.await();
            } catch (InterruptedException interrupted) {
                throw new AssertionError(interrupted);
            }
            return super.get();
        }
    }

    /** One that asks for {@code batch} items, and for as many again when they have come. */
    static final class Batches extends Awaited {
        private final int batch;
        private int got;
        private Subscription subscription;

        Batches(int batch) {
            this.batch = batch;
        }

        @Override
        public void onSubscribe(Subscription subscription) {
            this.subscription = subscription;
            subscription.request(batch);
        }

        @Override
        public void onNext(Integer item) {
            total += item;
            if (++got == batch) {
                got = 0;
                subscription.request(batch);
            }
        }
    }
}
