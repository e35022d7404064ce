// The tour of a broker that franz-go makes: tour BROKER NAME SCENARIO[=ARGUMENT]…, all in one process. NAME begins the names of its topics and groups. A line
// `ok: …` for each scenario; the first that fails ends the program with status 1.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	count      = 40
	partitions = 3
	firstMs    = 1700000000000
	big        = 300000
	limit      = 30 * time.Second
)

var broker, name string

// --- what the scenarios share ---

func must(err error, what string) {
	if err != nil {
		fmt.Printf("%s %s: %v\n", name, what, err)
		os.Exit(1)
	}
}

func same(found, wanted any, what string) {
	f, w := fmt.Sprint(found), fmt.Sprint(wanted)
	if f != w {
		must(fmt.Errorf("found %.500s, wanted %.500s", f, w), what)
	}
}

func waitFor(what string, condition func() bool) {
	for end := time.Now().Add(limit); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			must(fmt.Errorf("not within %v", limit), what)
		}
	}
}

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

func client(options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(broker), kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)...)
	must(err, "a client")
	return made
}

func administrator(work func(ctx context.Context, admin *kadm.Client)) {
	ctx, cancel := within()
	defer cancel()
	c := client()
	defer c.Close()
	work(ctx, kadm.NewClient(c))
}

func create(topic string, number int32) {
	administrator(func(ctx context.Context, admin *kadm.Client) {
		_, err := admin.CreateTopic(ctx, number, 1, map[string]*string{"retention.ms": kadm.StringPtr("-1")}, topic)
		must(err, "creating "+topic)
	})
}

func ends(topics ...string) map[string]map[int32]int64 {
	found := map[string]map[int32]int64{}
	administrator(func(ctx context.Context, admin *kadm.Client) {
		offsets, err := admin.ListEndOffsets(ctx, topics...)
		must(err, "the ends of topics")
		offsets.Each(func(o kadm.ListedOffset) {
			must(o.Err, "the end of "+o.Topic)
			if found[o.Topic] == nil {
				found[o.Topic] = map[int32]int64{}
			}
			found[o.Topic][o.Partition] = o.Offset
		})
	})
	return found
}

// Every record of the topics up to the end that they have now; control records count as read.
func readAll(topics []string, each func(*kgo.Record), options ...kgo.Opt) {
	left := ends(topics...)
	c := client(append(options, kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords(),
		kgo.FetchMaxPartitionBytes(100000))...)
	defer c.Close()
	ctx, cancel := within()
	defer cancel()
	for {
		open := 0
		for _, numbers := range left {
			for _, end := range numbers {
				if end > 0 {
					open++
				}
			}
		}
		if open == 0 {
			return
		}
		fetches := c.PollFetches(ctx)
		must(fetches.Err(), "reading")
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				each(r)
			}
			if r.Offset+1 >= left[r.Topic][r.Partition] {
				left[r.Topic][r.Partition] = 0
			}
		})
	}
}

func send(c *kgo.Client, records ...*kgo.Record) {
	ctx, cancel := within()
	defer cancel()
	must(c.ProduceSync(ctx, records...).FirstErr(), "sending")
}

// --- the records that every client writes and reads: see the head of clients.py ---

func keyOf(i int) []byte {
	if i%5 == 0 {
		return nil
	}
	return []byte(fmt.Sprintf("key-%d", i%7))
}

func valueOf(id string, i int) []byte {
	if i%10 == 3 {
		return nil
	}
	length := i * 37 % 500
	if i == count-1 {
		length = big
	}
	return []byte(id + "/" + strings.Repeat("x", length))
}

func produce(string) {
	for _, kind := range []string{"-old", "-new"} {
		create(name+kind, partitions)
	}
	ways := []struct {
		name  string
		kind  string
		codec kgo.CompressionCodec
		acks  kgo.Acks
	}{{"none", "-old", kgo.NoCompression(), kgo.NoAck()}, {"gzip", "-old", kgo.GzipCompression(), kgo.AllISRAcks()}, {"snappy", "-old", kgo.SnappyCompression(), kgo.LeaderAck()},
		{"lz4", "-new", kgo.Lz4Compression(), kgo.AllISRAcks()}, {"zstd", "-new", kgo.ZstdCompression(), kgo.AllISRAcks()}}
	for _, way := range ways {
		options := []kgo.Opt{kgo.ProducerBatchCompression(way.codec), kgo.RequiredAcks(way.acks), kgo.ProducerLinger(20 * time.Millisecond)}
		if way.acks != kgo.AllISRAcks() {
			options = append(options, kgo.DisableIdempotentWrite())
		}
		c := client(options...)
		var all []*kgo.Record
		for i := 0; i < count; i++ {
			id := fmt.Sprintf("%s/%d", way.name, i)
			all = append(all, &kgo.Record{Topic: name + way.kind, Partition: int32(i % partitions), Key: keyOf(i), Value: valueOf(id, i),
				Timestamp: time.UnixMilli(firstMs + int64(i)*1000), Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(id)}, {Key: "null"}, {Key: "empty", Value: []byte{}}}})
		}
		send(c, all...)
		c.Close()
	}
}

func read(names string) {
	topics := strings.Split(names, ",")
	seen := map[string]map[int]bool{}
	readAll(topics, func(r *kgo.Record) {
		id := ""
		for _, header := range r.Headers {
			if header.Key == "id" {
				id = string(header.Value)
			}
		}
		way, number, _ := strings.Cut(id, "/")
		i, err := strconv.Atoi(number)
		must(err, r.Topic+" "+id)
		what := r.Topic + " " + id
		same(r.Key == nil, keyOf(i) == nil, what+", whether it has a key")
		same(string(r.Key), string(keyOf(i)), what+", its key")
		same(r.Value == nil, valueOf(id, i) == nil, what+", whether it has a value")
		same(string(r.Value), string(valueOf(id, i)), what+", its value")
		same(r.Timestamp.UnixMilli(), firstMs+int64(i)*1000, what+", its time")
		same(r.Partition, i%partitions, what+", its partition")
		at := r.Topic + " " + way
		if seen[at] == nil {
			seen[at] = map[int]bool{}
		}
		same(seen[at][i], false, what+" came before")
		seen[at][i] = true
	})
	topicsSeen := map[string]bool{}
	for at, numbers := range seen {
		same(len(numbers), count, "how many there are of "+at)
		topic, _, _ := strings.Cut(at, " ")
		topicsSeen[topic] = true
	}
	same(len(topicsSeen), len(topics), "how many topics have records")
}

func seek(string) {
	topic := name + "-time"
	create(topic, 1)
	c := client()
	defer c.Close()
	var all []*kgo.Record
	for i := 0; i < 100; i++ {
		all = append(all, &kgo.Record{Topic: topic, Value: []byte("v"), Timestamp: time.UnixMilli(firstMs + int64(i)*10)})
	}
	send(c, all...)
	administrator(func(ctx context.Context, admin *kadm.Client) {
		for _, pair := range [][2]int64{{0, 0}, {1, 1}, {495, 50}, {501, 51}, {990, 99}} {
			found, err := admin.ListOffsetsAfterMilli(ctx, firstMs+pair[0], topic)
			must(err, "offsets by time")
			offset, _ := found.Lookup(topic, 0)
			same(offset.Offset, pair[1], fmt.Sprintf("the offset at %d ms", pair[0]))
		}
	})
}

// --- groups ---

type member struct {
	client *kgo.Client
	lock   sync.Mutex
	share  int
	done   chan struct{}
}

func join(topic, group string, balancer kgo.GroupBalancer, lock *sync.Mutex, seen map[string]int) *member {
	m := &member{done: make(chan struct{})}
	shares := func(change int) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, moved map[string][]int32) {
			m.lock.Lock()
			m.share += change * len(moved[topic])
			m.lock.Unlock()
		}
	}
	m.client = client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.Balancers(balancer), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.HeartbeatInterval(200*time.Millisecond), kgo.SessionTimeout(20*time.Second), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(shares(1)), kgo.OnPartitionsRevoked(shares(-1)), kgo.OnPartitionsLost(shares(-1)))
	go func() {
		defer close(m.done)
		for {
			fetches := m.client.PollRecords(context.Background(), 50)
			if fetches.IsClientClosed() {
				return
			}
			must(fetches.Err(), "a member reads")
			records := fetches.Records()
			lock.Lock()
			for _, record := range records {
				seen[string(record.Value)]++
			}
			lock.Unlock()
			ctx, cancel := within()
			must(m.client.CommitRecords(ctx, records...), "a member commits")
			cancel()
			m.client.AllowRebalance()
		}
	}()
	return m
}

func (m *member) has(share int) bool {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.share == share
}

func (m *member) leave() {
	m.client.CloseAllowingRebalance()
	<-m.done
}

// Members join and leave while records are written: none is missed, and none that was committed comes again.
func groups(way string) {
	topic, number := name+"-group-"+way, 900
	group := topic + "-g"
	balancer := kgo.RangeBalancer()
	if way == "cooperative" {
		balancer = kgo.CooperativeStickyBalancer()
	}
	var lock sync.Mutex
	seen := map[string]int{}
	create(topic, 6)
	c := client()
	defer c.Close()
	write := func(from, to int) {
		for i := from; i < to; i++ {
			send(c, &kgo.Record{Topic: topic, Partition: int32(i % 6), Value: []byte(fmt.Sprintf("v%d", i))})
		}
	}
	first := join(topic, group, balancer, &lock, seen)
	write(0, 300)
	second, third := join(topic, group, balancer, &lock, seen), join(topic, group, balancer, &lock, seen)
	write(300, 600)
	waitFor("three members share the partitions", func() bool { return first.has(2) && second.has(2) && third.has(2) })
	second.leave()
	write(600, number)
	waitFor("two members share them", func() bool { return first.has(3) && third.has(3) })
	waitFor("all are seen", func() bool {
		lock.Lock()
		defer lock.Unlock()
		return len(seen) == number
	})
	first.leave()
	third.leave()
	for value, times := range seen {
		same(times, 1, "how often "+value+" was seen")
	}
	administrator(func(ctx context.Context, admin *kadm.Client) {
		offsets, err := admin.FetchOffsets(ctx, group)
		must(err, "offsets of the group")
		for p := int32(0); p < 6; p++ {
			at, _ := offsets.Lookup(topic, p)
			same(at.At, number/6, "what is committed")
		}
	})
}

// --- transactions, administration ---

func transactions(string) {
	topic := name + "-txn"
	create(topic, 1)
	c := client(kgo.TransactionalID(topic + "-t"))
	for turn := 0; turn < 4; turn++ {
		must(c.BeginTransaction(), "beginning")
		send(c, &kgo.Record{Topic: topic, Value: []byte(fmt.Sprintf("%d.0", turn))}, &kgo.Record{Topic: topic, Value: []byte(fmt.Sprintf("%d.1", turn))})
		ctx, cancel := within()
		must(c.EndTransaction(ctx, kgo.TransactionEndTry(turn%2 == 0)), "ending")
		cancel()
	}
	must(c.BeginTransaction(), "beginning")
	send(c, &kgo.Record{Topic: topic, Value: []byte("of the zombie")})
	next := client(kgo.TransactionalID(topic + "-t"))
	must(next.BeginTransaction(), "beginning")
	send(next, &kgo.Record{Topic: topic, Value: []byte("of the next")})
	ctx, cancel := within()
	defer cancel()
	err := c.EndTransaction(ctx, kgo.TryCommit)
	same(errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.InvalidTxnState), true, fmt.Sprintf("a zombie commits: %v", err))
	must(next.EndTransaction(ctx, kgo.TryCommit), "ending")
	c.Close()
	next.Close()
	values := func(level kgo.IsolationLevel) (found []string) {
		readAll([]string{topic}, func(r *kgo.Record) { found = append(found, string(r.Value)) }, kgo.FetchIsolationLevel(level))
		return found
	}
	same(values(kgo.ReadCommitted()), []string{"0.0", "0.1", "2.0", "2.1", "of the next"}, "read_committed")
	same(values(kgo.ReadUncommitted()), []string{"0.0", "0.1", "1.0", "1.1", "2.0", "2.1", "3.0", "3.1", "of the zombie", "of the next"}, "read_uncommitted")
	transform()
}

// Consume, transform, produce with kgo's own session, which ends a transaction badly when its group has moved: each input comes out once.
func transform() {
	in, out, number := name+"-in", name+"-out", 200
	create(in, 2)
	create(out, 1)
	c := client()
	for i := 0; i < number; i++ {
		send(c, &kgo.Record{Topic: in, Partition: int32(i % 2), Value: []byte(strconv.Itoa(i))})
	}
	c.Close()
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(broker), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(in+"-t"),
		kgo.ConsumerGroup(in+"-g"), kgo.ConsumeTopics(in), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	must(err, "a session")
	defer session.Close()
	ctx, cancel := within()
	defer cancel()
	for turn, done := 0, 0; done < number; turn++ {
		fetches := session.PollRecords(ctx, 20)
		must(fetches.Err(), "reading")
		must(session.Begin(), "beginning")
		fetches.EachRecord(func(r *kgo.Record) {
			session.Produce(ctx, &kgo.Record{Topic: out, Value: r.Value}, nil)
		})
		committed, err := session.End(ctx, kgo.TransactionEndTry(turn%3 != 1))
		must(err, "ending")
		if committed {
			done += fetches.NumRecords()
		}
	}
	seen := map[string]int{}
	readAll([]string{out}, func(r *kgo.Record) { seen[string(r.Value)]++ }, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	same(len(seen), number, "how many came out")
	for value, times := range seen {
		same(times, 1, "how often "+value+" came out")
	}
}

func administration(string) {
	topic := name + "-admin"
	group := topic + "-g"
	administrator(func(ctx context.Context, admin *kadm.Client) {
		_, err := admin.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": kadm.StringPtr("1000000")}, topic)
		must(err, "creating it")
		_, err = admin.CreateTopic(ctx, 2, 1, nil, topic)
		same(errors.Is(err, kerr.TopicAlreadyExists), true, fmt.Sprintf("creating it twice: %v", err))
		_, err = admin.UpdatePartitions(ctx, 4, topic)
		must(err, "more partitions")
		waitFor("four partitions", func() bool {
			found, err := admin.ListTopics(ctx, topic)
			return err == nil && len(found[topic].Partitions) == 4
		})
		config := func(key string) string {
			found, err := admin.DescribeTopicConfigs(ctx, topic)
			must(err, "its settings")
			for _, each := range found[0].Configs {
				if each.Key == key {
					return each.MaybeValue()
				}
			}
			return "not there"
		}
		same(config("retention.ms"), "1000000", "retention.ms")
		_, err = admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.bytes", Value: kadm.StringPtr("5000")}}, topic)
		must(err, "a new setting")
		waitFor("the new setting", func() bool { return config("retention.bytes") == "5000" })
		c := client()
		defer c.Close()
		for i := 0; i < 10; i++ {
			send(c, &kgo.Record{Topic: topic, Value: []byte("v")})
		}
		before := kadm.Offsets{}
		before.AddOffset(topic, 0, 4, -1)
		_, err = admin.DeleteRecords(ctx, before)
		must(err, "deleting records")
		starts, err := admin.ListStartOffsets(ctx, topic)
		must(err, "first offsets")
		first, _ := starts.Lookup(topic, 0)
		same(first.Offset, 4, "the first offset")
		commits := kadm.Offsets{}
		commits.AddOffset(topic, 0, 5, -1)
		must(admin.CommitAllOffsets(ctx, group, commits), "committing")
		lags, err := admin.Lag(ctx, group)
		must(err, "lag")
		lag, _ := lags[group].Lag.Lookup(topic, 0)
		same(lag.Lag, 5, "how far the group is behind")
		_, err = admin.DeleteGroup(ctx, group)
		must(err, "deleting the group")
		_, err = admin.DeleteTopic(ctx, topic)
		must(err, "deleting the topic")
		waitFor("it is gone", func() bool {
			found, err := admin.ListTopics(ctx)
			return err == nil && !found.Has(topic)
		})
	})
}

func cuts(number string) {
	topic := name + "-cuts"
	total, err := strconv.Atoi(number)
	must(err, "cuts")
	c := client(kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond }), kgo.RecordRetries(1<<30))
	defer c.Close()
	for i := 0; i < total; i += 50 {
		var some []*kgo.Record
		for n := i; n < i+50 && n < total; n++ {
			some = append(some, &kgo.Record{Topic: topic, Partition: int32(n % 3), Value: []byte(strconv.Itoa(n))})
		}
		send(c, some...)
	}
}

func main() {
	broker, name = os.Args[1], os.Args[2]
	scenarios := map[string]func(string){"produce": produce, "read": read, "seek": seek, "groups": groups, "transactions": transactions, "admin": administration,
		"cuts": cuts}
	for _, word := range os.Args[3:] {
		scenario, argument, _ := strings.Cut(word, "=")
		begun := time.Now()
		scenarios[scenario](argument)
		fmt.Printf("ok: %s %s, %.2f s\n", name, word, time.Since(begun).Seconds())
	}
}
