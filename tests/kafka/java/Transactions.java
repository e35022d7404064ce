import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;

/** Transactions (KIP-98, KIP-447): whole or not at all, whoever looks. */
final class Transactions {
    static void all() throws Exception {
        commitAndAbort();
        zombie();
        timedOut();
        transform();
    }

    private static KafkaProducer<String, String> begun(String id, Object... pairs) {
        List<Object> all = new ArrayList<>(List.of("transactional.id", id, "enable.idempotence", true));
        all.addAll(List.of(pairs));
        KafkaProducer<String, String> producer = Tour.producer(all.toArray());
        producer.initTransactions();
        return producer;
    }

    private static void send(KafkaProducer<String, String> producer, String topic, int partition, String value) {
        producer.send(new ProducerRecord<>(topic, partition, "k", value));
    }

    /** read_committed sees what was committed, in order, and stops before what is open; read_uncommitted sees everything. */
    private static void commitAndAbort() throws Exception {
        String topic = Tour.name + "-txn";
        Tour.create(topic, 2);
        try (KafkaProducer<String, String> producer = begun(topic + "-t"); KafkaProducer<String, String> plain = Tour.producer()) {
            for (int round = 0; round < 6; round++) {
                producer.beginTransaction();
                for (int i = 0; i < 5; i++)
                    send(producer, topic, i % 2, round + "." + i);
                producer.flush();
                send(plain, topic, 0, "plain" + round);
                plain.flush();
                if (round % 2 == 0)
                    producer.commitTransaction();
                else
                    producer.abortTransaction();
            }
            producer.beginTransaction();
            send(producer, topic, 0, "open");
            producer.flush();
            send(plain, topic, 0, "behind");
            plain.flush();
            Tour.same(Tour.values(Tour.everything(topic, 0, "read_committed")), List.of("0.0", "0.2", "0.4", "plain0", "plain1", "2.0", "2.2", "2.4",
                "plain2", "plain3", "4.0", "4.2", "4.4", "plain4", "plain5"), "read_committed, with one open");
            Tour.same(Tour.values(Tour.everything(topic, 1, "read_committed")), List.of("0.1", "0.3", "2.1", "2.3", "4.1", "4.3"), "the other partition");
            List<String> all = Tour.values(Tour.everything(topic, 0, "read_uncommitted"));
            Tour.same(all.size(), 6 * 4 + 2, "read_uncommitted");
            Tour.holds(all.contains("1.0") && all.contains("open") && all.contains("behind"), "read_uncommitted sees aborted and open ones");
            producer.commitTransaction();
            List<String> now = Tour.values(Tour.everything(topic, 0, "read_committed"));
            Tour.same(now.subList(15, now.size()), List.of("open", "behind"), "read_committed, when it is committed");
        }
    }

    /** A second producer of the same id ends the first one's transaction and the first one. */
    private static void zombie() throws Exception {
        String topic = Tour.name + "-zombie";
        Tour.create(topic, 1);
        KafkaProducer<String, String> first = begun(topic + "-t");
        first.beginTransaction();
        send(first, topic, 0, "of the zombie");
        first.flush();
        try (KafkaProducer<String, String> second = begun(topic + "-t")) {
            second.beginTransaction();
            send(second, topic, 0, "of the next");
            fenced("a zombie sends and commits", () -> {
                send(first, topic, 0, "of the zombie, too late");
                first.commitTransaction();
            });
            second.commitTransaction();
        }
        first.close(Duration.ZERO);
        Tour.same(Tour.values(Tour.everything(topic, 0, "read_committed")), List.of("of the next"), "what is committed");
        Tour.same(Tour.values(Tour.everything(topic, 0, "read_uncommitted")), List.of("of the zombie", "of the next"), "what was written");
    }

    private static void fenced(String what, Runnable call) {
        try {
            call.run();
        } catch (KafkaException thrown) {
            // By name, for the oldest clients do not have the latter.
            for (Throwable cause = thrown; cause != null; cause = cause.getCause())
                if (cause instanceof ProducerFencedException || cause.getClass().getSimpleName().equals("InvalidProducerEpochException"))
                    return;
            throw new AssertionError(what + ": wanted that it is fenced", thrown);
        }
        throw new AssertionError(what + ": went through");
    }

    /** The broker aborts what its producer has left open for too long, and refuses a time-out beyond its own limit. */
    private static void timedOut() throws Exception {
        String topic = Tour.name + "-timeout";
        Tour.create(topic, 1);
        try {
            begun(topic + "-long", "transaction.timeout.ms", 3_600_000);
            throw new AssertionError("a time-out of an hour is accepted");
        } catch (KafkaException expected) {
            Tour.holds(expected.getMessage().contains("transaction timeout is larger"), "the reason is the time-out: " + expected.getMessage());
        }
        KafkaProducer<String, String> left = begun(topic + "-t", "transaction.timeout.ms", 1000);
        left.beginTransaction();
        send(left, topic, 0, "left open");
        left.flush();
        try (KafkaProducer<String, String> plain = Tour.producer()) {
            send(plain, topic, 0, "behind it");
            plain.flush();
        }
        Tour.await("the broker aborts it", () -> Tour.values(Tour.everything(topic, 0, "read_committed")).equals(List.of("behind it")));
        try {
            left.commitTransaction();
            throw new AssertionError("a transaction that the broker has aborted was committed");
        } catch (KafkaException expected) {
            left.close(Duration.ZERO);
        }
        Tour.same(Tour.values(Tour.everything(topic, 0, "read_committed")), List.of("behind it"), "what is committed");
    }

    /** Consume, transform, produce: every third transaction is aborted, then done again from the offsets that the group has. Each input comes out once. */
    private static void transform() throws Exception {
        String in = Tour.name + "-in";
        String out = Tour.name + "-out";
        String group = in + "-g";
        int count = 300;
        Tour.create(in, 2);
        Tour.create(out, 1);
        try (KafkaProducer<String, String> plain = Tour.producer("linger.ms", 5)) {
            for (int i = 0; i < count; i++)
                send(plain, in, i % 2, "" + i);
        }
        Set<TopicPartition> partitions = Set.of(new TopicPartition(in, 0), new TopicPartition(in, 1));
        try (KafkaProducer<String, String> producer = begun(in + "-t");
             KafkaConsumer<String, String> consumer = Tour.consumer("group.id", group, "isolation.level", "read_committed", "max.poll.records", 20)) {
            consumer.subscribe(List.of(in));
            int done = 0;
            for (int turn = 0; done < count; turn++) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofSeconds(10));
                Tour.holds(!records.isEmpty(), "records come");
                producer.beginTransaction();
                for (ConsumerRecord<String, String> record : records)
                    send(producer, out, 0, "out-" + record.value());
                producer.sendOffsetsToTransaction(positions(records), consumer.groupMetadata());
                if (turn % 3 == 1) {
                    producer.flush();
                    producer.abortTransaction();
                    consumer.committed(partitions).forEach((p, at) -> consumer.seek(p, at == null ? 0 : at.offset()));
                } else {
                    producer.commitTransaction();
                    done += records.count();
                }
            }
            consumer.committed(partitions).forEach((p, at) -> Tour.same(at.offset(), (long) count / 2, p + ", committed in transactions"));
        }
        List<String> written = Tour.values(Tour.everything(out, 0, "read_committed"));
        Tour.same(written.size(), count, "how many came out");
        Tour.same(Set.copyOf(written).size(), count, "how many different ones");
        Tour.holds(Tour.everything(out, 0, "read_uncommitted").size() > count, "some were aborted");
    }

    private static Map<TopicPartition, OffsetAndMetadata> positions(ConsumerRecords<String, String> records) {
        Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
        for (ConsumerRecord<String, String> record : records)
            positions.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        return positions;
    }
}
