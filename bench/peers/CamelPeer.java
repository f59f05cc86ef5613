import java.nio.charset.StandardCharsets;
import org.apache.camel.Exchange;
import org.apache.camel.Message;
import org.apache.camel.builder.RouteBuilder;
import org.apache.camel.main.Main;

/**
 * Peer: Apache Camel, Kafka to HTTP. Six consumers, each with one call in flight; offsets are committed by the client,
 * nothing is retried, no result is kept. Arguments: bootstrap topic group base.
 */
public class CamelPeer {
  public static void main(String[] args) throws Exception {
    Main main = new Main();
    main.configure().addRoutesBuilder(new Forward(args[0], args[1], args[2], args[3]));
    main.run(new String[0]);
  }

  static class Forward extends RouteBuilder {
    final String source;
    final String base;

    Forward(String bootstrap, String topic, String group, String base) {
      this.source =
          "kafka:" + topic + "?brokers=" + bootstrap + "&groupId=" + group
              + "&autoOffsetReset=earliest&consumersCount=6&maxPollRecords=500"
              + "&valueDeserializer=org.apache.kafka.common.serialization.ByteArrayDeserializer";
      this.base = base;
    }

    @Override
    public void configure() {
      from(source)
          .process(exchange -> address(exchange.getMessage()))
          .to(base + "?connectionsPerRoute=64&maxTotalConnections=64");
    }

    void address(Message message) {
      String path = text(message, "path");
      String key = text(message, "command_id");
      message.removeHeaders("*");
      message.setHeader(Exchange.HTTP_METHOD, "PUT");
      message.setHeader(Exchange.HTTP_PATH, path);
      message.setHeader(Exchange.CONTENT_TYPE, "application/json");
      message.setHeader("Idempotency-Key", key);
      message.setHeader("X-API-Key", "x");
    }

    String text(Message message, String name) {
      return new String(message.getHeader(name, byte[].class), StandardCharsets.UTF_8);
    }
  }
}
