// The page of the emulator's fault settings. It lies outside the app, on the emulator's own address.
import { accessibilityProblems } from './support/accessibility';
import { expect, test } from './support/test';

test.afterEach(async ({ clerk }) => clerk.resetFaults());

test('the control works without script, by keyboard too, and shows what is set', async ({ browser, app, clerk }) => {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 360, height: 740 } });
  try {
    const page = await context.newPage();
    await page.goto(app.dev.control_url);
    await expect(page.getByRole('heading', { name: 'No faults are set.' })).toBeVisible();

    await page.getByLabel('New tokens never see changes of metadata').focus();
    await page.keyboard.press('Space');
    await page.getByLabel('How far the clock is ahead').fill('-1500');
    await page.getByRole('button', { name: 'Apply these settings' }).click();
    await expect(page.getByRole('heading', { name: 'No faults are set.' })).toHaveCount(0);
    await expect(page.getByLabel('New tokens never see changes of metadata')).toBeChecked();
    expect(await clerk.faultSettings()).toMatchObject({ metadata_delay_ms: null, clock_offset_ms: -1500 });

    await page.getByLabel('Life of a session token').fill('0');
    await page.getByRole('button', { name: 'Apply these settings' }).click();
    expect(await clerk.faultSettings(), 'a value out of range changes nothing').toMatchObject({ token_lifetime_s: null, clock_offset_ms: -1500 });

    await page.goto(app.dev.control_url);
    await page.getByRole('button', { name: 'Clear all faults' }).click();
    await expect(page.getByRole('heading', { name: 'No faults are set.' })).toBeVisible();
    expect(await clerk.faultSettings()).toMatchObject({ metadata_delay_ms: 0, clock_offset_ms: 0 });
    await page.getByRole('link', { name: 'Inbox' }).click();
    await expect(page.getByRole('heading', { name: 'Inbox' })).toBeVisible();
  } finally {
    await context.close();
  }
});

test('the control is accessible, in both colour schemes', async ({ browser, app }) => {
  for (const colorScheme of ['light', 'dark'] as const) {
    const context = await browser.newContext({ colorScheme, bypassCSP: true });
    const page = await context.newPage();
    await page.goto(app.dev.control_url);
    expect(await accessibilityProblems(page)).toEqual([]);
    await context.close();
  }
});
