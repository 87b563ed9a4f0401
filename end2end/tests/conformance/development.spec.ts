// What differs when the emulator is a development instance: requests, authenticated by the official @clerk/backend, and
// handshakes over plain HTTP.
import { test } from '@playwright/test';
import { developmentHandshakeRows } from './handshake-rows';
import { developmentRows } from './request-rows';
import { seenOf } from './support/endpoint';
import { judge } from './support/judge';
import { testRows } from './support/rows';
import { shared } from './support/shared';

const { visitor } = shared(test, { options: ['--development', '--tls-listen', '127.0.0.1:0'] });

testRows(developmentRows, async (row) => judge(row, await visitor()));
testRows(developmentHandshakeRows, async (row) => seenOf(row, await visitor()));
