import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;

/** The records that every client writes and every client reads: see the table at the head of clients.py. */
final class Records {
    static final int COUNT = 40;
    static final int PARTITIONS = 3;
    static final long FIRST_MS = 1_700_000_000_000L;
    static final int BIG = 300_000;

    static String key(int i) {
        return i % 5 == 0 ? null : "key-" + i % 7;
    }

    static String value(String id, int i) {
        if (i % 10 == 3)
            return null;
        return id + "/" + "x".repeat(i == COUNT - 1 ? BIG : i * 37 % 500);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void produce() throws Exception {
        for (String kind : new String[] { "old", "new" })
            Tour.create(Tour.name + "-" + kind, PARTITIONS);
        String[][] ways = { { "none", "0" }, { "gzip", "all" }, { "snappy", "1" }, { "lz4", "all" }, { "zstd", "all" } };
        for (String[] way : ways)
            try (KafkaProducer<String, String> producer = Tour.producer("compression.type", way[0], "acks", way[1], "linger.ms", 20,
                     "enable.idempotence", way[1].equals("all"))) {
                String topic = Tour.name + (way[0].equals("lz4") || way[0].equals("zstd") ? "-new" : "-old");
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (int i = 0; i < COUNT; i++) {
                    String id = way[0] + "/" + i;
                    ProducerRecord<String, String> record =
                        new ProducerRecord<>(topic, i % PARTITIONS, FIRST_MS + i * 1000L, key(i), value(id, i));
                    record.headers().add("id", bytes(id)).add("null", null).add("empty", new byte[0]);
                    sent.add(producer.send(record));
                }
                for (int i = 0; i < COUNT; i++)
                    Tour.same(sent.get(i).get().partition(), i % PARTITIONS, "the partition of record " + i);
            }
    }

    static void read(String[] topics) {
        for (String topic : topics)
            readOne(topic);
    }

    /** Each way of writing that is there is there whole. */
    private static void readOne(String topic) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int p = 0; p < PARTITIONS; p++)
            partitions.add(new TopicPartition(topic, p));
        Map<String, Set<Integer>> seen = new HashMap<>();
        try (KafkaConsumer<String, String> consumer = Tour.consumer("max.partition.fetch.bytes", 100_000)) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            long limit = System.nanoTime() + 30_000_000_000L;
            while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                Tour.holds(System.nanoTime() < limit, topic + " is not read within 30 s");
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200)))
                    check(record, seen);
            }
        }
        Tour.holds(!seen.isEmpty(), topic + " has records");
        seen.forEach((way, numbers) -> Tour.same(numbers.size(), COUNT, topic + ", those written with " + way));
    }

    private static void check(ConsumerRecord<String, String> record, Map<String, Set<Integer>> seen) {
        Header header = record.headers().lastHeader("id");
        Tour.holds(header != null, "a record of " + record.topic() + " has the header id");
        String id = new String(header.value(), StandardCharsets.UTF_8);
        String[] parts = id.split("/");
        int i = Integer.parseInt(parts[1]);
        String what = record.topic() + " " + id;
        Tour.same(record.key(), key(i), what + ", its key");
        Tour.same(record.value(), value(id, i), what + ", its value");
        Tour.same(record.timestamp(), FIRST_MS + i * 1000L, what + ", its time");
        Tour.same(record.partition(), i % PARTITIONS, what + ", its partition");
        Header empty = record.headers().lastHeader("empty");
        Tour.holds(empty == null || empty.value().length == 0, what + ", its empty header");
        Tour.holds(seen.computeIfAbsent(parts[0], w -> new HashSet<>()).add(i), what + " comes twice");
    }

    /** The first record at or after a time, which is exact, and none after the last. */
    static void seekByTime() throws Exception {
        String topic = Tour.name + "-time";
        Tour.create(topic, 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> producer = Tour.producer("linger.ms", 10);
             KafkaConsumer<String, String> consumer = Tour.consumer()) {
            for (int i = 0; i < 100; i++)
                producer.send(new ProducerRecord<>(topic, 0, FIRST_MS + i * 10L, null, "v" + i));
            producer.flush();
            for (int[] pair : new int[][] { { 0, 0 }, { 1, 1 }, { 495, 50 }, { 500, 50 }, { 501, 51 }, { 990, 99 } }) {
                OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, FIRST_MS + pair[0])).get(partition);
                Tour.same(found.offset(), (long) pair[1], "the offset at " + pair[0] + " ms");
                Tour.same(found.timestamp(), FIRST_MS + pair[1] * 10L, "the time found for " + pair[0] + " ms");
            }
            Tour.same(consumer.offsetsForTimes(Map.of(partition, FIRST_MS + 991)).get(partition), null, "past the last");
            consumer.assign(List.of(partition));
            consumer.seek(partition, 50);
            Tour.same(consumer.poll(Duration.ofSeconds(20)).iterator().next().value(), "v50", "after the seek");
        }
    }
}
