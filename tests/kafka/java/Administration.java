import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ConsumerGroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** What an administrator does: topics, their settings, their records, groups. */
final class Administration {
    static void all() throws Exception {
        try (Admin admin = Tour.admin()) {
            topics(admin);
            settings(admin);
            records(admin);
            groups(admin);
        }
    }

    private static void topics(Admin admin) throws Exception {
        String topic = Tour.name + "-admin";
        CreateTopicsResult made = admin.createTopics(List.of(new NewTopic(topic, 3, (short) 1).configs(Map.of("retention.ms", "86400000"))));
        made.all().get();
        Tour.same(made.numPartitions(topic).get(), 3, "the partitions that the answer names");
        Tour.same(made.config(topic).get().get("retention.ms").value(), "86400000", "the setting that the answer names");
        CreateTopicsResult byDefault = admin.createTopics(List.of(new NewTopic(topic + "-default", Optional.empty(), Optional.empty())));
        Tour.same(byDefault.numPartitions(topic + "-default").get(), 4, "the partitions by default");
        Tour.same(byDefault.replicationFactor(topic + "-default").get(), 1, "the replicas by default");
        Tour.fails(TopicExistsException.class, "the same once more", () -> admin.createTopics(List.of(new NewTopic(topic, 3, (short) 1))).all().get());
        Tour.fails(InvalidTopicException.class, "a name that is none", () -> admin.createTopics(List.of(new NewTopic("no/topic", 1, (short) 1))).all().get());
        Tour.fails(InvalidPartitionsException.class, "no partitions", () -> admin.createTopics(List.of(new NewTopic(topic + "-0", 0, (short) 1))).all().get());
        Tour.fails(InvalidConfigurationException.class, "a setting that is none", () ->
            admin.createTopics(List.of(new NewTopic(topic + "-bad", 1, (short) 1).configs(Map.of("no.such.setting", "1")))).all().get());
        admin.createTopics(List.of(new NewTopic(topic + "-only-checked", 1, (short) 1)),
            new org.apache.kafka.clients.admin.CreateTopicsOptions().validateOnly(true)).all().get();
        Set<String> names = admin.listTopics().names().get();
        Tour.holds(names.contains(topic) && !names.contains(topic + "-only-checked") && !names.contains(topic + "-bad"), "the list of topics");
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        Tour.await("five partitions", () -> partitionsOf(topic) == 5);
        Tour.fails(InvalidPartitionsException.class, "fewer partitions", () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all().get());
        admin.deleteTopics(List.of(topic + "-default")).all().get();
        Tour.await("it is gone", () -> !admin.listTopics().names().get().contains(topic + "-default"));
        Tour.fails(UnknownTopicOrPartitionException.class, "what is gone", () -> admin.deleteTopics(List.of(topic + "-default")).all().get());
        Tour.same(admin.describeCluster().nodes().get().size(), 1, "the nodes of the cluster");
        Tour.holds(!admin.describeCluster().clusterId().get().isEmpty(), "the cluster has an id");
    }

    private static int partitionsOf(String topic) {
        try (KafkaConsumer<String, String> consumer = Tour.consumer()) {
            return consumer.partitionsFor(topic).size();
        }
    }

    private static Config describe(Admin admin, ConfigResource resource) throws Exception {
        return admin.describeConfigs(List.of(resource), new DescribeConfigsOptions().includeSynonyms(true)).all().get().get(resource);
    }

    private static void alter(Admin admin, ConfigResource resource, String name, String value, AlterConfigOp.OpType kind) throws Exception {
        Map<ConfigResource, Collection<AlterConfigOp>> change = new HashMap<>();
        change.put(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), kind)));
        admin.incrementalAlterConfigs(change).all().get();
    }

    private static void settings(Admin admin) throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, Tour.name + "-admin");
        Config config = describe(admin, topic);
        for (String name : List.of("cleanup.policy", "compression.type", "max.message.bytes", "min.insync.replicas", "retention.bytes", "segment.bytes",
                 "message.timestamp.type"))
            Tour.holds(config.get(name) != null && config.get(name).value() != null, "the setting " + name + " has a value");
        Tour.same(config.get("retention.ms").source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, "the source of retention.ms");
        Tour.same(config.get("cleanup.policy").value(), "delete", "cleanup.policy by default");
        Tour.holds(config.get("cleanup.policy").isDefault(), "cleanup.policy is a default");
        Tour.holds(!config.get("retention.ms").synonyms().isEmpty(), "retention.ms has synonyms");
        alter(admin, topic, "max.message.bytes", "2000", AlterConfigOp.OpType.SET);
        Tour.await("the new limit is told", () -> describe(admin, topic).get("max.message.bytes").value().equals("2000"));
        try (KafkaProducer<String, String> producer = Tour.producer()) {
            Tour.fails(RecordTooLargeException.class, "a record over the limit", () ->
                producer.send(new ProducerRecord<>(Tour.name + "-admin", 0, null, "x".repeat(5000))).get());
            alter(admin, topic, "max.message.bytes", "", AlterConfigOp.OpType.DELETE);
            Tour.await("the limit is the default again", () -> describe(admin, topic).get("max.message.bytes").isDefault());
            producer.send(new ProducerRecord<>(Tour.name + "-admin", 0, null, "x".repeat(5000))).get();
        }
        Tour.fails(InvalidConfigurationException.class, "a value that is none", () -> {
            alter(admin, topic, "retention.ms", "soon", AlterConfigOp.OpType.SET);
            return null;
        });
        String node = admin.describeCluster().nodes().get().iterator().next().idString();
        Config broker = describe(admin, new ConfigResource(ConfigResource.Type.BROKER, node));
        Tour.holds(broker.get("num.partitions") != null && broker.get("log.retention.ms") != null, "the broker tells its settings");
    }

    private static void records(Admin admin) throws Exception {
        String topic = Tour.name + "-purge";
        Tour.create(topic, 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> producer = Tour.producer()) {
            for (int i = 0; i < 10; i++)
                producer.send(new ProducerRecord<>(topic, 0, null, "v" + i)).get();
        }
        Tour.same(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4))).lowWatermarks().get(partition).get().lowWatermark(), 4L,
            "the first offset that is left");
        Tour.fails(OffsetOutOfRangeException.class, "deleting past the end", () ->
            admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(11))).all().get());
        Tour.same(Tour.values(Tour.everything(topic, 0, "read_uncommitted")), List.of("v4", "v5", "v6", "v7", "v8", "v9"), "what is left");
        Map<TopicPartition, ListOffsetsResult.ListOffsetsResultInfo> first = admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).all().get();
        Map<TopicPartition, ListOffsetsResult.ListOffsetsResultInfo> last = admin.listOffsets(Map.of(partition, OffsetSpec.latest())).all().get();
        Tour.same(first.get(partition).offset() + ".." + last.get(partition).offset(), "4..10", "the first and the next offset");
        admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(-1))).all().get();
        Tour.same(Tour.everything(topic, 0, "read_uncommitted").size(), 0, "how many are left of none");
    }

    private static void groups(Admin admin) throws Exception {
        String topic = Tour.name + "-member";
        String group = topic + "-g";
        TopicPartition partition = new TopicPartition(topic, 0);
        Tour.create(topic, 1);
        try (KafkaConsumer<String, String> consumer = Tour.consumer("group.id", group, "client.id", "a-member")) {
            consumer.subscribe(List.of(topic));
            Tour.await("it is a member", () -> {
                consumer.poll(java.time.Duration.ofMillis(100));
                return !consumer.assignment().isEmpty();
            });
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(0, "here")));
            ConsumerGroupDescription found = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            Tour.same(found.state(), ConsumerGroupState.STABLE, "the state of the group");
            Tour.same(found.members().size(), 1, "its members");
            Tour.same(found.members().iterator().next().clientId(), "a-member", "its member");
            Tour.same(found.members().iterator().next().assignment().topicPartitions(), Set.of(partition), "what its member has");
            Tour.fails(GroupNotEmptyException.class, "deleting it with a member", () -> admin.deleteConsumerGroups(List.of(group)).all().get());
            Tour.fails(UnknownMemberIdException.class, "moving its offsets with a member", () ->
                admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(0))).all().get());
            Tour.fails(GroupSubscribedToTopicException.class, "deleting its offsets with a member", () ->
                admin.deleteConsumerGroupOffsets(group, Set.of(partition)).partitionResult(partition).get());
        }
        Tour.await("the group is empty", () -> admin.describeConsumerGroups(List.of(group)).all().get().get(group).state() == ConsumerGroupState.EMPTY);
        Tour.holds(admin.listConsumerGroups().all().get().stream().anyMatch(g -> g.groupId().equals(group)), "the group is listed");
        Tour.same(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(partition).metadata(), "here", "what was committed with it");
        admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(7))).all().get();
        Tour.same(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(partition).offset(), 7L, "its offset, moved");
        admin.deleteConsumerGroupOffsets(group, Set.of(partition)).all().get();
        Tour.holds(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(partition) == null, "its offset is deleted");
        admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(1))).all().get();
        admin.deleteConsumerGroups(List.of(group)).all().get();
        Tour.fails(GroupIdNotFoundException.class, "deleting it once more", () -> admin.deleteConsumerGroups(List.of(group)).all().get());
    }
}
