import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.Stores;

/**
 * Peer: Kafka Streams restores a table from its changelog into an empty RocksDB, under exactly_once_v2.
 *
 * <p>Arguments: bootstrap, source, application id, data, partitions, fetches ("default" or "large": of 2,000 polled
 * records, and 4 MB a partition as ours). Prints rows, the seconds from the first restore's begin to the last one's end,
 * and those from the start of main.
 */
public class StreamsRestorePeer {
  public static void main(String[] args) throws Exception {
    long started = System.nanoTime();
    Properties config = new Properties();
    config.put("application.id", args[2]);
    config.put("bootstrap.servers", args[0]);
    config.put("state.dir", Path.of(args[3]).toString());
    config.put("num.stream.threads", "1");
    config.put("replication.factor", "1");
    config.put("processing.guarantee", "exactly_once_v2");
    if (args[5].equals("large")) {
      config.put("restore.consumer.max.poll.records", "2000");
      config.put("restore.consumer.max.partition.fetch.bytes", String.valueOf(4 << 20));
    }
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore("sites"), Serdes.ByteArray(), Serdes.ByteArray()));
    builder.stream(args[1], Consumed.with(Serdes.ByteArray(), Serdes.ByteArray())).process(Nothing::new, "sites");
    Watch watch = new Watch(Integer.parseInt(args[4]));
    KafkaStreams streams = new KafkaStreams(builder.build(), config);
    streams.setGlobalStateRestoreListener(watch);
    streams.start();
    watch.ended.await();
    System.out.printf(
        "%d %.3f %.3f%n", watch.rows.get(), (watch.last - watch.first) / 1e9, (watch.last - started) / 1e9);
    // Else the next round waits for this member's session to end.
    streams.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
  }

  static class Nothing implements Processor<byte[], byte[], Void, Void> {
    @Override
    public void process(Record<byte[], byte[]> record) {}
  }

  static class Watch implements StateRestoreListener {
    final CountDownLatch ended;
    final AtomicLong rows = new AtomicLong();
    long first;
    volatile long last;

    Watch(int partitions) {
      ended = new CountDownLatch(partitions);
    }

    @Override
    public synchronized void onRestoreStart(TopicPartition of, String store, long from, long to) {
      first = first == 0 ? System.nanoTime() : first;
    }

    @Override
    public void onBatchRestored(TopicPartition of, String store, long end, long count) {}

    @Override
    public void onRestoreEnd(TopicPartition of, String store, long total) {
      rows.addAndGet(total);
      last = System.nanoTime();
      ended.countDown();
    }
  }
}
