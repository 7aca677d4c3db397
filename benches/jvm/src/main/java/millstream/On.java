package millstream;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.reactivex.rxjava3.plugins.RxJavaPlugins;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.stream.ActorAttributes;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SystemMaterializer;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;

/**
 * What pipelines run on. Each is made once, when it is first used: no pipeline pays for it, and a
 * JVM has the threads of its own library only.
 */
final class On {
    private On() {}

    /** Threads that a stage need not share: {@code THREADS[0]} to {@code THREADS[3]}. */
    static final int THREADS = 4;

    private static final ThreadFactory DAEMON =
            task -> {
                Thread thread = new Thread(task);
                thread.setDaemon(true);
                return thread;
            };

    static final class Reactor {
        static final Scheduler[] THREAD = new Scheduler[THREADS];

        static {
            for (int n = 0; n < THREADS; n++) {
                THREAD[n] = Schedulers.newSingle("thread-" + n, true);
            }
        }
    }

    static final class ReactorPool {
        static final Scheduler TWO = Schedulers.newParallel("pool", 2, true);
    }

    static final class RxJava {
        static final io.reactivex.rxjava3.core.Scheduler[] THREAD =
                new io.reactivex.rxjava3.core.Scheduler[THREADS];

        static {
            for (int n = 0; n < THREADS; n++) {
                THREAD[n] = RxJavaPlugins.createSingleScheduler(DAEMON);
            }
        }
    }

    static final class RxJavaPool {
        /** Two threads, by the property that {@link Workload} sets. */
        static final io.reactivex.rxjava3.core.Scheduler TWO =
                io.reactivex.rxjava3.schedulers.Schedulers.computation();
    }

    static final class Jdk {
        static final ExecutorService[] THREAD = new ExecutorService[THREADS];

        static {
            for (int n = 0; n < THREADS; n++) {
                THREAD[n] = Executors.newSingleThreadExecutor(DAEMON);
            }
        }
    }

    static final class Pekko {
        /** The default dispatcher has two threads, those named {@code thread-n} one each. */
        private static final Config CONFIG =
                ConfigFactory.parseString(
                                """
                                pekko {
                                  daemonic = on
                                  loglevel = WARNING
                                  actor.default-dispatcher {
                                    executor = fork-join-executor
                                    fork-join-executor { parallelism-min = 2, parallelism-max = 2 }
                                  }
                                }
                                thread {
                                  type = Dispatcher
                                  executor = thread-pool-executor
                                  thread-pool-executor.fixed-pool-size = 1
                                }
                                thread-0 = ${thread}
                                thread-1 = ${thread}
                                thread-2 = ${thread}
                                thread-3 = ${thread}
                                """)
                        .resolve();

        static final ActorSystem SYSTEM =
                ActorSystem.create("benches", CONFIG.withFallback(ConfigFactory.load()));

        static final Materializer MATERIALIZER = SystemMaterializer.get(SYSTEM).materializer();

        /** The executor of a dispatcher. */
        static Executor executor(String dispatcher) {
            return SYSTEM.dispatchers().lookup(dispatcher);
        }

        static final String TWO = "pekko.actor.default-dispatcher";

        /** Runs {@code source} on the pool of two, until {@code sink} has all of it. */
        static <T> void run(Source<T, NotUsed> source, Result<T> sink) {
            run(source, sink, TWO, Workload.BUFFER);
        }

        /** The same, with the last stages on {@code dispatcher}, and room in each boundary. */
        static <T> void run(
                Source<T, NotUsed> source, Result<T> sink, String dispatcher, int buffer) {
            source.toMat(Sink.foreach(sink::onNext), Keep.right())
                    .addAttributes(
                            Attributes.inputBuffer(buffer, buffer)
                                    .and(ActorAttributes.dispatcher(dispatcher)))
                    .run(MATERIALIZER)
                    .toCompletableFuture()
                    .join();
            sink.onComplete();
        }

        static long sum(Source<Integer, NotUsed> source) {
            return sum(source, TWO);
        }

        static long sum(Source<Integer, NotUsed> source, String dispatcher) {
            Sum sum = new Sum();
            run(source, sum, dispatcher, Workload.BUFFER);
            return sum.get();
        }
    }
}
