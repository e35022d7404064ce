import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/** An idempotent producer whose connections are cut; who cuts them stands between it and the broker. What was written is looked at afterwards, in cuts.py. */
final class Cuts {
    static void producerThroughCuts(int count) throws Exception {
        String topic = Tour.name + "-cuts";
        try (KafkaProducer<String, String> producer = Tour.producer("enable.idempotence", true, "linger.ms", 1, "reconnect.backoff.ms", 5,
                 "reconnect.backoff.max.ms", 20, "retry.backoff.ms", 5, "max.in.flight.requests.per.connection", 5, "retries", Integer.MAX_VALUE)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, i % 3, null, "" + i)));
                if (i % 50 == 49)
                    producer.flush();
            }
            for (Future<RecordMetadata> each : sent)
                each.get();
            producer.close(Duration.ofSeconds(30));
        }
    }
}
