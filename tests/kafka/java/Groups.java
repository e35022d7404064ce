import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.RebalanceInProgressException;

/** Consumer groups whose members come and go while records are written. */
final class Groups {
    private static final int PARTITIONS = 6;
    private static final int RECORDS = 3000;
    private static final String ASSIGNORS = "org.apache.kafka.clients.consumer.";

    /** One member: polls, notes, commits, until it is told to leave. */
    private static final class Member extends Thread implements ConsumerRebalanceListener {
        private final KafkaConsumer<String, String> consumer;
        private final Map<String, AtomicInteger> seen;
        private final Map<TopicPartition, OffsetAndMetadata> uncommitted = new HashMap<>();
        final AtomicInteger polled = new AtomicInteger();
        volatile Collection<TopicPartition> assigned = List.of();
        volatile boolean leaving;
        volatile Throwable wrong;

        Member(KafkaConsumer<String, String> consumer, String topic, Map<String, AtomicInteger> seen) {
            this.consumer = consumer;
            this.seen = seen;
            consumer.subscribe(List.of(topic), this);
            start();
        }

        @Override
        public void run() {
            try {
                while (!leaving) {
                    for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                        seen.computeIfAbsent(record.value(), v -> new AtomicInteger()).incrementAndGet();
                        uncommitted.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1, "so far"));
                        polled.incrementAndGet();
                    }
                    assigned = consumer.assignment();
                    commit();
                }
                consumer.close();
            } catch (Throwable thrown) {
                wrong = thrown;
            }
        }

        /** A rebalance may be under way, in which a member that keeps its partitions commits later. */
        private void commit() {
            try {
                if (!uncommitted.isEmpty())
                    consumer.commitSync(uncommitted);
                uncommitted.clear();
            } catch (RebalanceInProgressException later) {
                return;
            }
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            commit();
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        }

        void leave() throws Exception {
            leaving = true;
            join();
            if (wrong != null)
                throw new AssertionError("a member of the group failed", wrong);
        }
    }

    private static Member member(String topic, String group, String assignor, Map<String, AtomicInteger> seen) {
        return new Member(Tour.consumer("group.id", group, "partition.assignment.strategy", ASSIGNORS + assignor, "heartbeat.interval.ms", 200,
            "session.timeout.ms", 30000, "max.poll.records", 50, "metadata.max.age.ms", 2000), topic, seen);
    }

    /** Members join and leave while a producer writes: every record is seen once, in all members together. */
    static void rebalances(String way) throws Exception {
        String topic = Tour.name + "-group-" + way;
        String group = topic + "-g";
        String assignor = way.equals("range") ? "RangeAssignor" : "CooperativeStickyAssignor";
        Map<String, AtomicInteger> seen = new ConcurrentHashMap<>();
        Tour.create(topic, PARTITIONS);
        try (KafkaProducer<String, String> producer = Tour.producer("linger.ms", 2)) {
            Member first = member(topic, group, assignor, seen);
            write(producer, topic, 0, RECORDS / 3);
            Member second = member(topic, group, assignor, seen);
            Member third = member(topic, group, assignor, seen);
            write(producer, topic, RECORDS / 3, RECORDS / 3 * 2);
            // From here on with what each has, or there would have been no rebalance at all.
            Tour.await("three members share the partitions", () -> even(first, second, third));
            second.leave();
            write(producer, topic, RECORDS / 3 * 2, RECORDS);
            Member fourth = member(topic, group, assignor, seen);
            Tour.await("three members share them again", () -> even(first, third, fourth));
            producer.flush();
            Tour.await("all records are seen", () -> seen.size() == RECORDS);
            first.leave();
            third.leave();
            fourth.leave();
        }
        seen.forEach((value, times) -> Tour.same(times.get(), 1, "how often " + value + " was seen"));
        committed(topic, group);
    }

    private static boolean even(Member... members) {
        for (Member member : members) {
            if (member.wrong != null)
                throw new AssertionError("a member of the group failed", member.wrong);
            if (member.assigned.size() != PARTITIONS / members.length)
                return false;
        }
        return true;
    }

    private static void write(KafkaProducer<String, String> producer, String topic, int from, int to) throws Exception {
        for (int i = from; i < to; i++) {
            producer.send(new ProducerRecord<>(topic, i % PARTITIONS, null, "v" + i));
            if (i % 100 == 0)
                producer.flush();
        }
    }

    /** What the members committed when they left is the end of each partition, with what they wrote beside it. */
    private static void committed(String topic, String group) {
        try (KafkaConsumer<String, String> consumer = Tour.consumer("group.id", group)) {
            for (int p = 0; p < PARTITIONS; p++) {
                TopicPartition partition = new TopicPartition(topic, p);
                OffsetAndMetadata offset = consumer.committed(java.util.Set.of(partition)).get(partition);
                Tour.same(offset.offset(), (long) RECORDS / PARTITIONS, partition + ", committed");
                Tour.same(offset.metadata(), "so far", partition + ", what was committed with it");
            }
        }
    }

    private static KafkaConsumer<String, String> fixed(String topic, String group, String instance) {
        KafkaConsumer<String, String> consumer = Tour.consumer("group.id", group, "group.instance.id", instance, "session.timeout.ms", 20000,
            "heartbeat.interval.ms", 200, "partition.assignment.strategy", ASSIGNORS + "RangeAssignor");
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    /** A static member (KIP-345) that comes back finds its partitions and disturbs nobody; one that is taken over is fenced. */
    static void staticMembers() throws Exception {
        String topic = Tour.name + "-static";
        String group = topic + "-g";
        Tour.create(topic, 4);
        KafkaConsumer<String, String> one = fixed(topic, group, "one");
        KafkaConsumer<String, String> two = fixed(topic, group, "two");
        Tour.await("both have two partitions", () -> polledTo(one, 2) & polledTo(two, 2));
        int generation = one.groupMetadata().generationId();
        Collection<TopicPartition> had = two.assignment();
        two.close();
        KafkaConsumer<String, String> again = fixed(topic, group, "two");
        Tour.await("it has two partitions again", () -> polledTo(one, 2) & polledTo(again, 2));
        Tour.same(again.assignment(), had, "the partitions of the one that came back");
        Tour.same(again.groupMetadata().generationId(), generation, "the generation, when one came back");
        KafkaConsumer<String, String> thief = fixed(topic, group, "two");
        Tour.await("the other one has them now", () -> polledTo(one, 2) & polledTo(thief, 2));
        Tour.fails(FencedInstanceIdException.class, "the older of two of a name", () -> {
            Tour.await("it is fenced", () -> {
                again.poll(Duration.ofMillis(50));
                return false;
            });
            return null;
        });
        for (KafkaConsumer<String, String> consumer : List.of(one, again, thief))
            consumer.close();
    }

    private static boolean polledTo(KafkaConsumer<String, String> consumer, int partitions) {
        consumer.poll(Duration.ofMillis(50));
        return consumer.assignment().size() == partitions;
    }
}
