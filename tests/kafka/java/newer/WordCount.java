import java.nio.file.Files;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Produced;

/** Kafka Streams with exactly_once_v2: words are counted over a repartition topic, the counts kept in a changelog; the second half after a restart. */
public final class WordCount {
    private static final String[] WORDS = { "log", "stream", "event", "topic", "log", "log", "stream" };
    private static final int LINES = 100;

    public static void counts() throws Exception {
        String in = Tour.name + "-lines";
        String out = Tour.name + "-counts";
        Tour.create(in, 2);
        Tour.create(out, 1);
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, Tour.name + "-words");
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, Tour.broker);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put("auto.offset.reset", "earliest");
        settings.put("session.timeout.ms", 10000);
        for (int half = 1; half <= 2; half++) {
            // The state is read back from the changelog, for the second process has a folder of its own.
            settings.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("edda-streams").toString());
            StreamsBuilder builder = new StreamsBuilder();
            builder.<String, String>stream(in).flatMapValues(line -> List.of(line.split(" "))).groupBy((key, word) -> word).count().toStream()
                .to(out, Produced.with(Serdes.String(), new LongAsText()));
            try (KafkaStreams streams = new KafkaStreams(builder.build(), settings)) {
                streams.start();
                try (KafkaProducer<String, String> producer = Tour.producer()) {
                    for (int i = 0; i < LINES; i++)
                        producer.send(new ProducerRecord<>(in, i % 2, null, String.join(" ", WORDS)));
                }
                Map<String, String> wanted = Map.of("log", "" + 3 * LINES * half, "stream", "" + 2 * LINES * half, "event", "" + LINES * half, "topic", "" + LINES * half);
                Tour.await("the counts of half " + half, () -> last(out).equals(wanted));
            }
        }
    }

    private static final class LongAsText extends Serdes.WrapperSerde<Long> {
        LongAsText() {
            super((topic, value) -> value == null ? null : Records.bytes(value.toString()), (topic, bytes) -> Long.valueOf(new String(bytes)));
        }
    }

    private static Map<String, String> last(String topic) {
        Map<String, String> counts = new HashMap<>();
        for (ConsumerRecord<String, String> record : Tour.everything(topic, 0, "read_committed"))
            counts.put(record.key(), record.value());
        return counts;
    }
}
