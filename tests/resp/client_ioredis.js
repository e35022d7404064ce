// ioredis against the listener on the port that is given, as its users write it.
const assert = require('node:assert')
const Redis = require('ioredis').default || require('ioredis')
const port = Number(process.argv[2])

async function main() {
  for (const options of [{}, { protocol: 3 }, { protocol: 2 }]) {
    const client = new Redis({ port, connectionName: 'io', ...options })
    const subscriber = new Redis({ port, ...options })
    assert.strictEqual(await client.ping(), 'PONG')
    assert.strictEqual(await client.client('GETNAME'), 'io')
    const got = []
    const all = new Promise((resolve) => {
      subscriber.on('message', (channel, text) => { got.push([channel, text]); if (got.length === 4) resolve() })
      subscriber.on('pmessage', (pattern, channel, text) => { got.push([pattern, channel, text]); if (got.length === 4) resolve() })
    })
    assert.strictEqual(await subscriber.subscribe('io:a', 'io:b'), 2)
    assert.strictEqual(await subscriber.psubscribe('io:?'), 3)
    assert.strictEqual(await client.publish('io:a', 'one'), 2)
    assert.strictEqual(await client.publish('io:b', 'two'), 2)
    await all
    assert.deepStrictEqual(got, [['io:a', 'one'], ['io:?', 'io:a', 'one'], ['io:b', 'two'], ['io:?', 'io:b', 'two']])
    assert.strictEqual(await subscriber.unsubscribe('io:a'), 2)
    assert.strictEqual(await subscriber.punsubscribe('io:?'), 1)
    // Without names it waits until there is no subscription of either kind.
    assert.strictEqual(await subscriber.unsubscribe(), 0)
    assert.strictEqual(await subscriber.ping(), 'PONG')
    const key = 'io:stream' + Math.random()
    const first = await client.xadd(key, '*', 'a', '1', 'b', '2')
    const second = await client.xadd(key, '*', 'a', '3')
    assert.deepStrictEqual(await client.xrange(key, '-', '+'), [[first, ['a', '1', 'b', '2']], [second, ['a', '3']]])
    assert.strictEqual(await client.xlen(key), 2)
    const waiting = subscriber.xread('BLOCK', 10000, 'STREAMS', key, '$')
    let late = null
    for (let done = false; !done;) {
      late = await client.xadd(key, '*', 'late', 'yes')
      done = await Promise.race([waiting.then(() => true), new Promise((resolve) => setTimeout(() => resolve(false), 50))])
    }
    assert.ok(JSON.stringify(await waiting).includes('"late","yes"'))
    assert.ok(late)
    assert.strictEqual(await client.xgroup('CREATE', key, 'g', first), 'OK')
    const given = await client.xreadgroup('GROUP', 'g', 'a', 'COUNT', 1, 'STREAMS', key, '>')
    assert.ok(JSON.stringify(given).includes(`"${second}",["a","3"]`))
    assert.strictEqual(await client.xack(key, 'g', second), 1)
    assert.ok((await client.xreadgroup('GROUP', 'g', 'b', 'BLOCK', 1000, 'STREAMS', key, '>')))
    assert.deepStrictEqual(await client.xpending(key, 'g'), [1, late, late, [['b', '1']]])
    assert.deepStrictEqual(await client.xclaim(key, 'g', 'c', 0, late, 'JUSTID'), [late])
    assert.strictEqual((await client.xautoclaim(key, 'g', 'd', 0, '0'))[0], '0-0')
    await assert.rejects(client.xgroup('CREATE', key, 'g', 0), /BUSYGROUP/)
    await assert.rejects(client.xreadgroup('GROUP', 'x', 'a', 'STREAMS', key, '>'), /NOGROUP/)
    await assert.rejects(client.get('x'), /ERR unknown command/i)
    const many = client.pipeline()
    for (let n = 0; n < 100; n++) many.xadd(key, '*', 'n', String(n))
    assert.ok((await many.exec()).every(([error]) => error === null))
    await client.quit()
    subscriber.disconnect()
  }
  console.log('done')
}
main().catch((error) => { console.error(error); process.exit(1) })
