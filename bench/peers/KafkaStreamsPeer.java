import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** Peer: Kafka Streams, one thread, RocksDB, exactly_once_v2. Arguments: bootstrap source name data. */
public class KafkaStreamsPeer {
  static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) {
    Properties config = new Properties();
    config.put("application.id", args[2]);
    config.put("bootstrap.servers", args[0]);
    config.put("auto.offset.reset", "earliest");
    config.put("state.dir", args[3]);
    config.put("num.stream.threads", "1");
    config.put("replication.factor", "1");
    config.put("processing.guarantee", "exactly_once_v2");
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("sites"), Serdes.String(), Serdes.ByteArray()));
    builder.addStateStore(
        Stores.windowStoreBuilder(
            Stores.persistentWindowStore("counts", Duration.ofHours(1), Duration.ofSeconds(60), false),
            Serdes.String(), Serdes.Long()));
    builder.stream(args[1], Consumed.with(Serdes.String(), Serdes.ByteArray()))
        .process(Fold::new, "sites", "counts")
        .to("out-" + args[2], Produced.with(Serdes.String(), Serdes.ByteArray()));
    KafkaStreams streams = new KafkaStreams(builder.build(), config);
    streams.start();
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
  }

  static class Fold implements Processor<String, byte[], String, byte[]> {
    ProcessorContext<String, byte[]> context;
    KeyValueStore<String, byte[]> sites;
    WindowStore<String, Long> counts;

    @Override
    public void init(ProcessorContext<String, byte[]> context) {
      this.context = context;
      sites = context.getStateStore("sites");
      counts = context.getStateStore("counts");
    }

    @Override
    public void process(Record<String, byte[]> record) {
      try {
        ObjectNode event = (ObjectNode) JSON.readTree(record.value());
        byte[] stored = sites.get(record.key());
        ObjectNode site = stored == null ? JSON.createObjectNode() : (ObjectNode) JSON.readTree(stored);
        site.setAll((ObjectNode) event.get("new_values"));
        site.set("last", event.get("event_id"));
        sites.put(record.key(), JSON.writeValueAsBytes(site));
        String group = record.key().substring(record.key().length() - 2);
        long window = record.timestamp() / 60_000 * 60_000;
        Long count = counts.fetch(group, window);
        counts.put(group, count == null ? 1L : count + 1, window);
        ObjectNode command = JSON.createObjectNode();
        command.set("customer_id", event.get("site_id"));
        command.set("customer_name", site.get("name"));
        command.set("billing_address", site.get("address"));
        context.forward(record.withValue(JSON.writeValueAsBytes(command)));
      } catch (java.io.IOException error) {
        throw new java.io.UncheckedIOException(error);
      }
    }
  }
}
