// The official @clerk/backend authenticates requests to an app with the emulator's keys, tokens and handshakes.
import { test } from '@playwright/test';
import { requestRows } from './request-rows';
import { judge } from './support/judge';
import { testRows } from './support/rows';
import { shared } from './support/shared';

const { visitor } = shared(test);

testRows(requestRows, async (row) => judge(row, await visitor()));
