import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;

/** What only newer Java clients ask for: topic ids, producers, transactions. */
public final class Newer {
    public static void all() throws Exception {
        try (Admin admin = Tour.admin()) {
            topicIds(admin);
            transactions(admin);
        }
    }

    private static void topicIds(Admin admin) throws Exception {
        String topic = Tour.name + "-id";
        Uuid first = admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).topicId(topic).get();
        TopicDescription found = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        Tour.same(found.topicId(), first, "the id of the topic");
        Tour.same(found.partitions().size(), 2, "its partitions");
        Tour.same(found.partitions().get(0).leader().id(), admin.describeCluster().nodes().get().iterator().next().id(), "the leader of its first partition");
        admin.deleteTopics(List.of(topic)).all().get();
        Tour.await("it is gone", () -> !admin.listTopics().names().get().contains(topic));
        Uuid second = admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).topicId(topic).get();
        Tour.holds(!second.equals(first) && !second.equals(Uuid.ZERO_UUID), "a topic made anew has another id");
    }

    private static void transactions(Admin admin) throws Exception {
        String topic = Tour.name + "-open";
        String id = topic + "-t";
        TopicPartition partition = new TopicPartition(topic, 0);
        Tour.create(topic, 1);
        KafkaProducer<String, String> producer = Tour.producer("transactional.id", id);
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(topic, 0, 1_700_000_000_000L, null, "v")).get();
        TransactionDescription open = admin.describeTransactions(List.of(id)).description(id).get();
        Tour.same(open.state(), TransactionState.ONGOING, "the state of the transaction");
        Tour.holds(open.topicPartitions().contains(partition), "its partitions");
        Tour.holds(admin.listTransactions().all().get().stream().anyMatch(t -> t.transactionalId().equals(id)), "it is listed");
        ProducerState state = admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers().get(0);
        Tour.same(state.producerId(), open.producerId(), "the producer that is active");
        Tour.same(state.lastSequence(), 0, "its last sequence");
        Tour.same(state.currentTransactionStartOffset().getAsLong(), 0L, "where its transaction began");
        Tour.same(admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).all().get().get(partition).offset(), 0L, "the newest record");
        admin.fenceProducers(List.of(id)).all().get();
        try {
            producer.commitTransaction();
            throw new AssertionError("a producer that was fenced has committed");
        } catch (KafkaException expected) {
            producer.close(Duration.ZERO);
        }
        Tour.await("it is aborted", () -> admin.describeTransactions(List.of(id)).description(id).get().state() == TransactionState.COMPLETE_ABORT
            || admin.describeTransactions(List.of(id)).description(id).get().state() == TransactionState.EMPTY);
        Tour.same(Tour.values(Tour.everything(topic, 0, "read_committed")), List.of(), "what is committed");
    }
}
