#!/usr/bin/env python3
"""Decides on loans. Keeps nothing: the state comes with each message.

    EDDA_REMOTE_SECRET=… service.py [PORT]
"""
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ['EDDA_REMOTE_SECRET'].encode()
TOLERANCE_S = 300


def ask_loan(state, data, event):
    if state:
        return {'reject': {'field': 'loan', 'message': f"there is a loan {data['loan']}"}}
    if data['amount'] > 10000:
        return {'reject': {'field': 'amount', 'message': 'that is more than we have'}}
    interest = round(data['amount'] * 0.05, 2)
    return {
        'messages': [{'type': 'LoanGranted', 'data': {**data, 'interest': interest}}],
        'deadlines': [{'name': 'payment', 'after_ms': 30 * 86400 * 1000, 'type': 'LoanOverdue', 'data': {'loan': data['loan']}}],
        'reply': {'type': 'Loan', 'data': {'loan': data['loan'], 'left': data['amount'] + interest}},
    }


def pay_back(state, data, event):
    if not state or state['closed']:
        return {'reject': {'field': 'loan', 'message': 'nothing is owed'}}
    paid = min(data['amount'], state['left'])
    left = round(state['left'] - paid, 2)
    answer = {
        'messages': [{'type': 'Instalment', 'data': {'loan': data['loan'], 'amount': paid}}],
        'reply': {'type': 'Loan', 'data': {'loan': data['loan'], 'left': left}},
    }
    if left == 0:
        answer['messages'].append({'type': 'LoanClosed', 'data': {'loan': data['loan']}})
        answer['deadlines'] = [{'name': 'payment', 'cancel': True}]
        answer['finish'] = True
    return answer


def overdue(state, data, event):
    if not state or state['closed']:
        return {'skip': 'it is paid'}
    return {'messages': [{'type': 'Reminded', 'data': {'loan': data['loan'], 'left': state['left']}}]}


HANDLERS = {'AskLoan': ask_loan, 'PayBack': pay_back, 'LoanOverdue': overdue}


def is_signed(header, body):
    """Edda-Signature: t=SECONDS,v1=HEX, where HEX is the HMAC-SHA256 of "SECONDS.BODY"; not older than five minutes."""
    parts = dict(part.split('=', 1) for part in (header or '').split(',') if '=' in part)
    seconds = parts.get('t', '')
    if not seconds.isdigit() or abs(time.time() - int(seconds)) > TOLERANCE_S:
        return False
    wanted = hmac.new(SECRET, seconds.encode() + b'.' + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, parts.get('v1', ''))


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        if not is_signed(self.headers.get('Edda-Signature'), body):
            return self.answer(401, {'error': 'the signature is wrong'})
        event = json.loads(body)
        handler = HANDLERS.get(event['type'])
        if not handler:
            return self.answer(422, {'error': f"nothing handles {event['type']}"})
        return self.answer(200, handler(event['state'], event['data'], event))

    def answer(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == '__main__':
    server = ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1]) if len(sys.argv) > 1 else 9001), Handler)
    print(f'listening on {server.server_address[1]}', flush=True)
    server.serve_forever()
