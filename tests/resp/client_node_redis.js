// node-redis against the listener on the port that is given, as its users write it.
const assert = require('node:assert')
const { createClient } = require('redis')
const port = Number(process.argv[2])

async function main() {
  for (const options of [{}, { RESP: 2 }, { RESP: 3 }]) {
    const client = await createClient({ socket: { port, host: '127.0.0.1' }, name: 'nr', ...options }).connect()
    const subscriber = await client.duplicate().connect()
    assert.strictEqual(await client.ping(), 'PONG')
    assert.strictEqual(await client.clientGetName(), 'nr')
    const got = []
    let heard
    const all = new Promise((resolve) => { heard = () => { if (got.length === 2) resolve() } })
    await subscriber.subscribe('nr:a', (text, channel) => { got.push([channel, text]); heard() })
    await subscriber.pSubscribe('nr:*', (text, channel) => { got.push(['*', channel, text]); heard() })
    assert.strictEqual(await client.publish('nr:a', 'one'), 2)
    await all
    assert.deepStrictEqual(got.sort(), [['*', 'nr:a', 'one'], ['nr:a', 'one']])
    await subscriber.unsubscribe()
    await subscriber.pUnsubscribe()
    const key = 'nr:stream' + Math.random()
    const first = await client.xAdd(key, '*', { a: '1', b: '2' })
    const second = await client.xAdd(key, '*', { a: '3' })
    const entries = await client.xRange(key, '-', '+')
    assert.deepStrictEqual(entries.map((e) => [e.id, { ...e.message }]), [[first, { a: '1', b: '2' }], [second, { a: '3' }]])
    assert.strictEqual(await client.xLen(key), 2)
    const read = await client.xRead([{ key, id: first }], { COUNT: 5 })
    assert.ok(JSON.stringify(read).includes(second))
    assert.strictEqual(await client.xRead([{ key, id: '$' }], { BLOCK: 50 }), null)
    await Promise.all(Array.from({ length: 100 }, (_, n) => client.xAdd(key, '*', { n: String(n) })))
    assert.strictEqual(await client.xLen(key), 102)
    await assert.rejects(client.get('x'), /ERR unknown command/i)
    await client.close()
    await subscriber.close()
  }
  console.log('done')
}
main().catch((error) => { console.error(error); process.exit(1) })
