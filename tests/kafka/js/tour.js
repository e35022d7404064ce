'use strict';
/*
 * kafkajs's tour of a broker: node tour.js BROKER NAME SCENARIO[=ARGUMENT]…, all in one process. NAME begins the names of its topics and groups. A line `ok: …` for each
 * scenario; the first that fails ends the program with status 1.
 */
const { Kafka, logLevel, CompressionTypes, CompressionCodecs, ConfigResourceTypes } = require('kafkajs');
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');

const COUNT = 40;
const PARTITIONS = 3;
const FIRST_MS = 1700000000000;
const BIG = 300000;
const LIMIT_MS = 30000;
const [broker, name, ...scenarios] = process.argv.slice(2);
const kafka = new Kafka({ clientId: 'tour', brokers: [broker], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50, retries: 20 } });

// --- what the scenarios share ---

function same(found, wanted, what) {
  if (JSON.stringify(found) !== JSON.stringify(wanted))
    throw new Error(`${what}: found ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`);
}

async function waitFor(what, condition) {
  const limit = Date.now() + LIMIT_MS;
  while (!await condition()) {
    if (Date.now() > limit)
      throw new Error(`${what}: not within ${LIMIT_MS} ms`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

async function connected(client, work) {
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.disconnect();
  }
}

const create = (topic, partitions) => connected(kafka.admin(), admin => admin.createTopics({ topics: [{ topic, numPartitions: partitions,
  configEntries: [{ name: 'retention.ms', value: '-1' }] }] }));

/* Reads topics to the end that they have now; `each` gets every record. Returns how many there were. */
async function readAll(topics, each, settings = {}) {
  const ends = {};
  await connected(kafka.admin(), async admin => {
    for (const topic of topics)
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic))
        if (Number(high) > Number(low))
          ends[`${topic}/${partition}`] = Number(high);
  });
  const consumer = kafka.consumer({ groupId: `${name}-reads-${Date.now()}-${Math.random()}`, maxBytesPerPartition: 100000, ...settings });
  let count = 0;
  let wrong = null;
  await connected(consumer, async () => {
    await consumer.subscribe({ topics, fromBeginning: true });
    await consumer.run({ eachBatchAutoResolve: true, eachBatch: async ({ batch }) => {
      const at = `${batch.topic}/${batch.partition}`;
      for (const message of batch.messages) {
        count++;
        try {
          each(batch.topic, batch.partition, message);
        } catch (thrown) {
          wrong = wrong || thrown;
        }
      }
      if (Number(batch.lastOffset()) + 1 >= ends[at])
        delete ends[at];
    } });
    await waitFor(`the end of ${topics}`, () => wrong || Object.keys(ends).length === 0);
  });
  if (wrong)
    throw wrong;
  return count;
}

// --- the records that every client writes and reads: see the head of clients.py ---

const keyOf = i => i % 5 === 0 ? null : `key-${i % 7}`;
const valueOf = (id, i) => i % 10 === 3 ? null : `${id}/${'x'.repeat(i === COUNT - 1 ? BIG : i * 37 % 500)}`;

async function produce() {
  const topic = `${name}-old`;
  await create(topic, PARTITIONS);
  const ways = [['none', CompressionTypes.None, 0], ['gzip', CompressionTypes.GZIP, -1], ['snappy', CompressionTypes.Snappy, 1]];
  await connected(kafka.producer(), async producer => {
    for (const [way, compression, acks] of ways)
      await producer.send({ topic, compression, acks, messages: [...Array(COUNT).keys()].map(i => ({
        key: keyOf(i), value: valueOf(`${way}/${i}`, i), partition: i % PARTITIONS, timestamp: String(FIRST_MS + i * 1000),
        headers: { id: `${way}/${i}`, empty: '' } })) });
  });
}

async function read(topics) {
  const seen = {};
  const check = (topic, partition, message) => {
    const id = message.headers.id.toString();
    const [way, number] = id.split('/');
    const i = Number(number);
    const what = `${topic} ${id}`;
    same(message.key && message.key.toString(), keyOf(i), `${what}, its key`);
    same(message.value && message.value.toString(), valueOf(id, i), `${what}, its value`);
    same(Number(message.timestamp), FIRST_MS + i * 1000, `${what}, its time`);
    same(partition, i % PARTITIONS, `${what}, its partition`);
    const numbers = seen[`${topic} ${way}`] = seen[`${topic} ${way}`] || new Set();
    same(numbers.has(i), false, `${what} came before`);
    numbers.add(i);
  };
  await readAll(topics.split(','), check);
  for (const [way, numbers] of Object.entries(seen))
    same(numbers.size, COUNT, `how many there are of ${way}`);
  for (const each of topics.split(','))
    same(Object.keys(seen).some(way => way.startsWith(`${each} `)), true, `there are records of ${each}`);
}

// --- groups, transactions, administration ---

/* Members join and leave while records are written. kafkajs commits what was handled before it gives up a partition, so every record is seen once. */
async function groups() {
  const topic = `${name}-group`;
  const groupId = `${topic}-g`;
  const records = 1500;
  const seen = new Map();
  await create(topic, 6);
  const shares = new Map();
  const member = async () => {
    const consumer = kafka.consumer({ groupId, heartbeatInterval: 200, sessionTimeout: 20000, rebalanceTimeout: 20000, metadataMaxAge: 2000, maxWaitTimeInMs: 100 });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => shares.set(consumer, (payload.memberAssignment[topic] || []).length));
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ autoCommit: false, eachMessage: async ({ partition, message }) => {
      const value = message.value.toString();
      seen.set(value, (seen.get(value) || 0) + 1);
      await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }]);
    } });
    return consumer;
  };
  const even = members => () => members.every(m => shares.get(m) === 6 / members.length);
  await connected(kafka.producer(), async producer => {
    const write = async (from, to) => {
      for (let i = from; i < to; i += 10)
        await producer.send({ topic, messages: [...Array(10).keys()].map(n => ({ value: `v${i + n}`, partition: (i + n) % 6 })) });
    };
    const first = await member();
    await write(0, 500);
    const second = await member();
    const third = await member();
    await write(500, 1000);
    await waitFor('three members share the partitions', even([first, second, third]));
    await second.disconnect();
    await write(1000, records);
    await waitFor('two members share them', even([first, third]));
    await waitFor('all records are seen', () => seen.size === records);
    await first.disconnect();
    await third.disconnect();
  });
  for (const [value, times] of seen)
    same(times, 1, `how often ${value} was seen`);
  const offsets = await connected(kafka.admin(), admin => admin.fetchOffsets({ groupId, topics: [topic] }));
  same(offsets[0].partitions.map(p => p.offset), Array(6).fill(String(records / 6)), 'what is committed');
}

async function transactions() {
  const topic = `${name}-txn`;
  const input = `${name}-txn-in`;
  await create(topic, 1);
  await create(input, 1);
  const producer = kafka.producer({ transactionalId: `${topic}-t`, maxInFlightRequests: 1, idempotent: true });
  await connected(producer, async () => {
    for (let round = 0; round < 4; round++) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ value: `${round}.0` }, { value: `${round}.1` }] });
      if (round % 2 === 0) {
        await transaction.sendOffsets({ consumerGroupId: `${topic}-g`, topics: [{ topic: input, partitions: [{ partition: 0, offset: String(10 + round) }] }] });
        await transaction.commit();
      } else {
        await transaction.sendOffsets({ consumerGroupId: `${topic}-g`, topics: [{ topic: input, partitions: [{ partition: 0, offset: '99' }] }] });
        await transaction.abort();
      }
    }
  });
  const values = async readUncommitted => {
    const found = [];
    await readAll([topic], (t, p, message) => found.push(message.value.toString()), { readUncommitted });
    return found;
  };
  same(await values(false), ['0.0', '0.1', '2.0', '2.1'], 'read_committed');
  same(await values(true), ['0.0', '0.1', '1.0', '1.1', '2.0', '2.1', '3.0', '3.1'], 'read_uncommitted');
  const offsets = await connected(kafka.admin(), admin => admin.fetchOffsets({ groupId: `${topic}-g`, topics: [input] }));
  same(offsets[0].partitions[0].offset, '12', 'the offset committed in transactions');
}

async function administration() {
  const topic = `${name}-admin`;
  await connected(kafka.admin(), async admin => {
    same(await admin.createTopics({ topics: [{ topic, numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '1000000' }] }] }), true, 'it is made');
    same(await admin.createTopics({ topics: [{ topic }] }), false, 'it was there');
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] });
    await waitFor('four partitions', async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length === 4);
    const configs = async () => (await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] }))
      .resources[0].configEntries;
    same((await configs()).find(c => c.configName === 'retention.ms').configValue, '1000000', 'retention.ms');
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] }] });
    await waitFor('the new policy', async () => (await configs()).find(c => c.configName === 'cleanup.policy').configValue === 'compact');
    await connected(kafka.producer(), producer => producer.send({ topic, messages: [...Array(10).keys()].map(i => ({ key: 'k', value: `${i}`, partition: 0 })) }));
    await admin.setOffsets({ groupId: `${topic}-g`, topic, partitions: [{ partition: 0, offset: '3' }] });
    same((await admin.describeGroups([`${topic}-g`])).groups[0].state, 'Empty', 'the state of the group');
    same((await admin.listGroups()).groups.some(g => g.groupId === `${topic}-g`), true, 'the group is listed');
    await admin.deleteGroups([`${topic}-g`]);
    const cluster = await admin.describeCluster();
    same(cluster.brokers.length, 1, 'the brokers');
    same(cluster.controller, cluster.brokers[0].nodeId, 'the controller');
    await admin.deleteTopics({ topics: [topic] });
    await waitFor('it is gone', async () => !(await admin.listTopics()).includes(topic));
  });
}

async function main() {
  const known = { produce, read, groups, transactions, admin: administration };
  for (const word of scenarios) {
    const [scenario, argument] = word.split('=');
    const begun = Date.now();
    await known[scenario](argument);
    console.log(`ok: ${name} ${word}, ${(Date.now() - begun) / 1000} s`);
  }
}

main().then(() => process.exit(0), wrong => {
  console.log(wrong);
  process.exit(1);
});
