import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;

/**
 * The Java client's tour of a broker: Tour BROKER NAME SCENARIO[=ARGUMENT]…, all in one process. NAME begins the names of its topics and groups. A line
 * `ok: …` for each scenario; the first that fails ends the program with a stack trace.
 */
public final class Tour {
    static String broker;
    static String name;

    public static void main(String[] words) throws Exception {
        broker = words[0];
        name = words[1];
        for (int i = 2; i < words.length; i++) {
            String[] parts = words[i].split("=", 2);
            long begun = System.nanoTime();
            run(parts[0], parts.length > 1 ? parts[1] : "");
            System.out.printf("ok: %s %s, %.2f s%n", name, words[i], (System.nanoTime() - begun) / 1e9);
        }
        System.exit(0);
    }

    private static void run(String scenario, String argument) throws Exception {
        switch (scenario) {
        case "produce": Records.produce(); break;
        case "read": Records.read(argument.split(",")); break;
        case "seek": Records.seekByTime(); break;
        case "groups": Groups.rebalances("range"); break;
        case "cooperative": Groups.rebalances("cooperative"); break;
        case "static": Groups.staticMembers(); break;
        case "transactions": Transactions.all(); break;
        case "admin": Administration.all(); break;
        case "cuts": Cuts.producerThroughCuts(Integer.parseInt(argument)); break;
        // Written against newer clients than the oldest ones.
        case "newer": Class.forName("Newer").getMethod("all").invoke(null); break;
        case "streams": Class.forName("WordCount").getMethod("counts").invoke(null); break;
        default: throw new IllegalArgumentException("no such scenario: " + scenario);
        }
    }

    // --- what the scenarios share ---

    static void holds(boolean condition, String what) {
        if (!condition)
            throw new AssertionError(what);
    }

    static void same(Object found, Object wanted, String what) {
        if (found == null ? wanted != null : !found.equals(wanted))
            throw new AssertionError(what + ": found " + found + ", wanted " + wanted);
    }

    /** Waits until a condition holds. */
    static void await(String what, Callable<Boolean> condition) throws Exception {
        long limit = System.nanoTime() + 30_000_000_000L;
        while (!condition.call()) {
            if (System.nanoTime() > limit)
                throw new AssertionError(what + ": not within 30 s");
            Thread.sleep(5);
        }
    }

    /** The call must fail for this reason, which may be the cause of what is thrown. */
    static void fails(Class<?> reason, String what, Callable<?> call) throws Exception {
        try {
            call.call();
        } catch (Exception thrown) {
            for (Throwable cause = thrown; cause != null; cause = cause.getCause())
                if (reason.isInstance(cause))
                    return;
            throw new AssertionError(what + ": wanted " + reason.getSimpleName(), thrown);
        }
        throw new AssertionError(what + ": went through, wanted " + reason.getSimpleName());
    }

    static Map<String, Object> settings(Object... pairs) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", broker);
        for (int i = 0; i < pairs.length; i += 2)
            all.put((String) pairs[i], pairs[i + 1]);
        return all;
    }

    static KafkaProducer<String, String> producer(Object... pairs) {
        Map<String, Object> all = settings("key.serializer", "org.apache.kafka.common.serialization.StringSerializer",
            "value.serializer", "org.apache.kafka.common.serialization.StringSerializer", "acks", "all", "delivery.timeout.ms", 60000,
            "request.timeout.ms", 20000);
        all.putAll(settings(pairs));
        return new KafkaProducer<>(all);
    }

    static KafkaConsumer<String, String> consumer(Object... pairs) {
        Map<String, Object> all = settings("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer",
            "value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer", "auto.offset.reset", "earliest",
            "enable.auto.commit", "false", "fetch.max.wait.ms", 100);
        all.putAll(settings(pairs));
        return new KafkaConsumer<>(all);
    }

    static Admin admin() {
        return Admin.create(settings());
    }

    /** A topic that keeps records whose times are long past. */
    static void create(String topic, int partitions) throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(Map.of("retention.ms", "-1")))).all().get();
        }
    }

    /** All that a consumer with this isolation level sees in a partition, up to the end it has now. */
    static List<ConsumerRecord<String, String>> everything(String topic, int partition, String isolation) {
        try (KafkaConsumer<String, String> consumer = consumer("isolation.level", isolation)) {
            TopicPartition at = new TopicPartition(topic, partition);
            consumer.assign(List.of(at));
            consumer.seekToBeginning(List.of(at));
            long end = consumer.endOffsets(List.of(at)).get(at);
            List<ConsumerRecord<String, String>> seen = new ArrayList<>();
            long limit = System.nanoTime() + 30_000_000_000L;
            while (consumer.position(at) < end) {
                holds(System.nanoTime() < limit, topic + ": the end " + end + " is not reached within 30 s, only " + consumer.position(at));
                consumer.poll(Duration.ofMillis(200)).forEach(seen::add);
            }
            return seen;
        }
    }

    static List<String> values(Collection<ConsumerRecord<String, String>> records) {
        List<String> values = new ArrayList<>();
        records.forEach(r -> values.add(r.value()));
        return values;
    }
}
