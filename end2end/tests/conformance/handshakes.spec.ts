// The emulator's handshakes, over plain HTTP.
import { test } from '@playwright/test';
import { handshakeRows } from './handshake-rows';
import { seenOf } from './support/endpoint';
import { testRows } from './support/rows';
import { shared } from './support/shared';

const { visitor } = shared(test);

testRows(handshakeRows, async (row) => seenOf(row, await visitor()));
