import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs Kafka's console tools in one process, for each takes a second to start. A line of the standard input is a command: its class, its arguments and, last, its
 * own input, with tabs between them and \n for the ends of lines in the input. What it printed follows, then a line of a NUL and its exit status. Each runs in a
 * class loader of its own, for they keep state in static fields and end by Exit.exit().
 */
public final class Tools {
    /** Thrown out of a tool that ends. */
    private static final class Ended extends RuntimeException {
        Ended(int status) {
            super("ended with " + status, null, false, false);
        }
    }

    public static void main(String[] none) throws Exception {
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = System.out;
        InputStream in = System.in;
        for (String line; (line = commands.readLine()) != null;) {
            ByteArrayOutputStream said = new ByteArrayOutputStream();
            PrintStream print = new PrintStream(said, true, "UTF-8");
            String[] words = line.split("\t", -1);
            System.setOut(print);
            System.setErr(print);
            System.setIn(new ByteArrayInputStream(words[words.length - 1].replace("\\n", "\n").getBytes(StandardCharsets.UTF_8)));
            int status = run(words, print);
            System.setIn(in);
            out.write(said.toByteArray());
            out.printf("%n\0%d%n", status);
            out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static int run(String[] words, PrintStream print) throws Exception {
        List<URL> path = new ArrayList<>();
        for (String each : System.getProperty("java.class.path").split(":"))
            path.add(Path.of(each).toUri().toURL());
        ClassLoader loader = new URLClassLoader(path.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
        Thread.currentThread().setContextClassLoader(loader);
        Class<?> exit = loader.loadClass("org.apache.kafka.common.utils.Exit");
        Class<?> procedure = loader.loadClass("org.apache.kafka.common.utils.Exit$Procedure");
        // Some catch what is thrown here as they would any failure, and end once more: the first status is the one that counts.
        int[] ended = { -1 };
        Object ends = Proxy.newProxyInstance(loader, new Class<?>[] { procedure }, (proxy, method, arguments) -> {
            if (arguments[1] != null)
                print.println(arguments[1]);
            if (ended[0] < 0)
                ended[0] = (Integer) arguments[0];
            throw new Ended((Integer) arguments[0]);
        });
        exit.getMethod("setExitProcedure", procedure).invoke(null, ends);
        exit.getMethod("setHaltProcedure", procedure).invoke(null, ends);
        String[] arguments = new String[words.length - 2];
        System.arraycopy(words, 1, arguments, 0, arguments.length);
        try {
            loader.loadClass(words[0]).getMethod("main", String[].class).invoke(null, (Object) arguments);
            return Math.max(ended[0], 0);
        } catch (InvocationTargetException thrown) {
            if (thrown.getCause() instanceof Ended)
                return ended[0];
            thrown.getCause().printStackTrace(print);
            return 1;
        }
    }
}
