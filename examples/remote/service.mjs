// Decides on loans, as service.py does. Keeps nothing: the state comes with each message.
//
//     EDDA_REMOTE_SECRET=… node service.mjs [PORT]
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const secret = process.env.EDDA_REMOTE_SECRET;
const TOLERANCE_S = 300;
if (!secret) throw new Error('EDDA_REMOTE_SECRET is not set');

const cents = (amount) => Math.round(amount * 100) / 100;

const handlers = {
  AskLoan(state, data) {
    if (state) return { reject: { field: 'loan', message: `there is a loan ${data.loan}` } };
    if (data.amount > 10000) return { reject: { field: 'amount', message: 'that is more than we have' } };
    const interest = cents(data.amount * 0.05);
    return {
      messages: [{ type: 'LoanGranted', data: { ...data, interest } }],
      deadlines: [{ name: 'payment', after_ms: 30 * 86400 * 1000, type: 'LoanOverdue', data: { loan: data.loan } }],
      reply: { type: 'Loan', data: { loan: data.loan, left: data.amount + interest } },
    };
  },

  PayBack(state, data) {
    if (!state || state.closed) return { reject: { field: 'loan', message: 'nothing is owed' } };
    const paid = Math.min(data.amount, state.left);
    const left = cents(state.left - paid);
    const answer = {
      messages: [{ type: 'Instalment', data: { loan: data.loan, amount: paid } }],
      reply: { type: 'Loan', data: { loan: data.loan, left } },
    };
    if (left === 0) {
      answer.messages.push({ type: 'LoanClosed', data: { loan: data.loan } });
      answer.deadlines = [{ name: 'payment', cancel: true }];
      answer.finish = true;
    }
    return answer;
  },

  LoanOverdue(state, data) {
    if (!state || state.closed) return { skip: 'it is paid' };
    return { messages: [{ type: 'Reminded', data: { loan: data.loan, left: state.left } }] };
  },
};

// Edda-Signature: t=SECONDS,v1=HEX, where HEX is the HMAC-SHA256 of "SECONDS.BODY"; not older than five minutes.
function isSigned(header, body) {
  const parts = Object.fromEntries((header ?? '').split(',').map((part) => part.split('=')));
  if (!/^\d+$/.test(parts.t ?? '') || Math.abs(Date.now() / 1000 - Number(parts.t)) > TOLERANCE_S) return false;
  const wanted = createHmac('sha256', secret).update(`${parts.t}.`).update(body).digest();
  const given = Buffer.from(parts.v1 ?? '', 'hex');
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function answer(response, status, value) {
  const text = JSON.stringify(value);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    if (!isSigned(request.headers['edda-signature'], body)) return answer(response, 401, { error: 'the signature is wrong' });
    const event = JSON.parse(body);
    const handler = handlers[event.type];
    if (!handler) return answer(response, 422, { error: `nothing handles ${event.type}` });
    return answer(response, 200, handler(event.state, event.data, event));
  });
});
server.listen(Number(process.argv[2] ?? 9001), '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
