package millstream;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.openjdk.jmh.results.format.ResultFormatType;
import org.openjdk.jmh.runner.BenchmarkList;
import org.openjdk.jmh.runner.BenchmarkListEntry;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.format.OutputFormatFactory;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Runs the workloads, all or those that are named as {@code cargo xtask compare} names them, and
 * writes {@code results.json} beside the jar.
 *
 * <p>{@code benchmarks.jar [--short] [W1 W4/flat ...]}
 */
public final class Main {
    private Main() {}

    /** The first form of each library: the others are left out of a short run. */
    private static final Set<String> PLAIN = Set.of("reactor", "rxjava", "pekko", "jdk", "bare");

    private static final Path RESULTS = jar().resolveSibling("results.json");

    public static void main(String[] arguments) throws RunnerException, IOException {
        List<String> filters = new ArrayList<>(Arrays.asList(arguments));
        boolean isShort = filters.remove("--short");
        Files.deleteIfExists(RESULTS);
        List<String> results = new ArrayList<>();
        benchmarks(isShort, filters, results);
        if (chosen(W11RoundTrip.WORKLOAD, filters)) {
            roundTrips(isShort, results);
        }
        if (chosen(W12Memory.WORKLOAD, filters)) {
            memory(isShort, results);
        }
        Files.writeString(RESULTS, "[\n" + String.join(",\n", results) + "\n]\n");
        System.out.println("written: " + RESULTS);
    }

    /** {@code W4} names all of W4, {@code W4/flat} those that begin so. */
    private static boolean chosen(String workload, List<String> filters) {
        return filters.isEmpty()
                || filters.stream()
                        .anyMatch(
                                filter ->
                                        workload.equals(filter)
                                                || workload.startsWith(filter)
                                                        && (filter.contains("/")
                                                                || workload.startsWith(
                                                                        filter + "/")));
    }

    /** W1 to W9, by JMH. */
    private static void benchmarks(boolean isShort, List<String> filters, List<String> results)
            throws RunnerException, IOException {
        ChainedOptionsBuilder options =
                new OptionsBuilder()
                        .shouldFailOnError(true)
                        .resultFormat(ResultFormatType.JSON)
                        .result(RESULTS.toString());
        if (isShort) {
            options.warmupIterations(2)
                    .warmupTime(TimeValue.milliseconds(300))
                    .measurementIterations(3)
                    .measurementTime(TimeValue.milliseconds(100));
        }
        Set<String> names = new TreeSet<>();
        for (BenchmarkListEntry entry : all()) {
            String name = entry.getUsername();
            String method = name.substring(name.lastIndexOf('.') + 1);
            String[] workloads = entry.getParams().get().get("workload")[0].split(" ");
            if (Arrays.stream(workloads).anyMatch(workload -> chosen(workload, filters))
                    && (!isShort || PLAIN.contains(method))) {
                names.add(name);
            }
        }
        if (names.isEmpty()) {
            return;
        }
        for (String name : names) {
            options.include("^" + name.replace(".", "\\.") + "$");
        }
        new Runner(options.build()).run();
        String json = Files.readString(RESULTS).strip();
        results.add(json.substring(1, json.length() - 1).strip());
    }

    private static Set<BenchmarkListEntry> all() {
        return BenchmarkList.defaultList()
                .getAll(
                        OutputFormatFactory.createFormatInstance(System.out, VerboseMode.SILENT),
                        List.of());
    }

    /** W11: of each run the median, and of these the median. */
    private static void roundTrips(boolean isShort, List<String> results) throws IOException {
        int warm = isShort ? 1 : 2;
        int runs = isShort ? 3 : 5;
        for (String peer : W11RoundTrip.PEERS) {
            if (isShort && !PLAIN.contains(peer)) {
                continue;
            }
            List<Double> figures =
                    program(W11RoundTrip.class, List.of(), peer, Integer.toString(warm + runs));
            results.add(
                    result(
                            W11RoundTrip.class,
                            W11RoundTrip.WORKLOAD,
                            peer,
                            "ns/op",
                            figures.subList(warm, figures.size())));
        }
    }

    /** W12: with a heap as the JVM chooses it, and with a small one. */
    private static void memory(boolean isShort, List<String> results) throws IOException {
        int items = isShort ? W12Memory.ITEMS / 10 : W12Memory.ITEMS;
        for (String peer : W12Memory.PEERS) {
            for (String form : isShort ? List.of("") : List.of("", "Small")) {
                List<String> flags = form.isEmpty() ? List.of() : SMALL;
                List<Double> figures =
                        program(W12Memory.class, flags, peer, Integer.toString(items));
                results.add(
                        result(
                                W12Memory.class,
                                W12Memory.WORKLOAD,
                                peer + form,
                                "kB",
                                figures));
            }
        }
    }

    private static final List<String> SMALL = List.of("-Xmx64m");

    /** The numbers that a program of ours prints, in a JVM of its own. */
    private static List<Double> program(Class<?> program, List<String> flags, String... arguments)
            throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(flags);
        command.addAll(List.of("-Drx3.computation-threads=2", "-cp", jar().toString()));
        command.add(program.getName());
        command.addAll(List.of(arguments));
        Process process =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        try (var output = process.inputReader()) {
            List<Double> figures =
                    output.lines().map(Double::valueOf).collect(Collectors.toList());
            if (process.waitFor() != 0 || figures.isEmpty()) {
                throw new IOException(command + " failed");
            }
            return figures;
        } catch (InterruptedException interrupted) {
            throw new IOException(interrupted);
        }
    }

    /** One entry as JMH writes it, as far as there is something to say. */
    private static String result(
            Class<?> program, String workload, String peer, String unit, List<Double> figures) {
        double[] sorted = figures.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        double median = sorted[sorted.length / 2];
        System.out.printf(
                Locale.ROOT, "%s.%s: %.0f %s%n", program.getSimpleName(), peer, median, unit);
        return String.format(
                Locale.ROOT,
                """
                    {
                        "benchmark" : "%s.%s",
                        "params" : {
                            "workload" : "%s"
                        },
                        "primaryMetric" : {
                            "score" : %s,
                            "scoreUnit" : "%s",
                            "rawData" : [
                                %s
                            ]
                        }
                    }""",
                program.getName(),
                peer,
                workload,
                median,
                unit,
                figures);
    }

    private static Path jar() {
        try {
            return Path.of(
                    Main.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        } catch (URISyntaxException broken) {
            throw new AssertionError(broken);
        }
    }
}
