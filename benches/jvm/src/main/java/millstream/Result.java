package millstream;

import io.reactivex.rxjava3.core.FlowableSubscriber;
import java.util.concurrent.Flow;
import org.reactivestreams.Subscription;
import reactor.core.CoreSubscriber;

/** The sink of a pipeline that ends before {@code subscribe} returns: it asks for everything. */
abstract class Result<T> implements CoreSubscriber<T>, FlowableSubscriber<T>, Flow.Subscriber<T> {
    long total;
    private boolean complete;

    @Override
    public void onSubscribe(Subscription subscription) {
        subscription.request(Long.MAX_VALUE);
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
        subscription.request(Long.MAX_VALUE);
    }

    @Override
    public void onComplete() {
        complete = true;
    }

    @Override
    public void onError(Throwable failure) {
        // No pipeline here fails. The thread that waits for this one would wait for ever.
        failure.printStackTrace();
        Runtime.getRuntime().halt(1);
    }

    long get() {
        if (!complete) {
            throw new AssertionError("the pipeline has not ended");
        }
        return total;
    }
}
