-- Keeping Postgres and Clerk equal: one function that compares a person here with the person there, profiles that were
-- made for an address before its owner had an account, and how far the regular comparison of everybody has come.
--
-- What must stay true: Postgres decides who belongs where, Clerk decides who exists and what they are called. A person is
-- linked to an invited profile once, and only by somebody who asked Clerk's Backend API for the verified address.

-- A member-to-be: made for an address, by whoever invites. Gone once the person whom Clerk knows under it has claimed it.
create table invited_profiles (
    id uuid primary key,
    email text not null,
    organization_id uuid not null references organizations (id) on delete cascade,
    role text not null,
    created_at timestamptz not null,
    constraint invited_profiles_email_key unique (email, organization_id),
    constraint invited_profiles_email_form check (email = lower(email) and email ~ '^[!-~]+@[!-~]+$'),
    -- Nobody becomes an owner by an address.
    constraint invited_profiles_role_known check (role in ('admin', 'member'))
);
create index invited_profiles_organization_id on invited_profiles (organization_id);

-- Asks the relay to look at a person at Clerk, and to settle the differences.
alter table outbox_messages drop constraint outbox_messages_kind_known;
alter table outbox_messages add constraint outbox_messages_kind_known check (kind in ('update_user_metadata', 'sync_user'));

-- The regular comparison of everybody: one row, held by one process at a time. The first pass is due a while after this
-- file ran, not at the first start.
create table reconcile_progress (
    one boolean primary key default true,
    started_at timestamptz,
    finished_at timestamptz,
    leased_until timestamptz,
    place jsonb,
    constraint reconcile_progress_one check (one)
);
insert into reconcile_progress (finished_at) values (now());

-- Compares what Clerk says about a person with what is known here, and settles it.
--
-- seen: the public metadata that Clerk has, or null if that is not to be compared.
-- may_link: the data comes from the Backend API, so an invited profile may be claimed by it. Otherwise the relay is asked
-- to look there. may_clear: what Clerk keeps about an organization of a person who has none may be taken away.
-- dry_run: change nothing.
--
-- outcome: 'applied', 'superseded' (older than what is known) or 'deleted'. repaired and remaining: the differences, by
-- kind. A difference that a message under way will settle is none. Our own writes come back as webhooks: they do not
-- differ, so nothing echoes.
create function sync_clerk_user(
    synced_user text,
    new_display_name text,
    new_email text,
    changed_at timestamptz,
    seen jsonb,
    may_link boolean,
    may_clear boolean,
    dry_run boolean,
    at timestamptz
) returns table (outcome text, repaired text[], remaining text[])
language plpgsql security definer
set search_path = ''
as $$
declare
    known public.user_profiles;
    invitation public.invited_profiles;
    is_new boolean := false;
    is_linked boolean := false;
    active uuid;
    wanted jsonb;
    difference text;
begin
    outcome := 'applied';
    repaired := '{}';
    remaining := '{}';
    if not dry_run then
        insert into public.user_profiles (user_id, created_at, updated_at) values (synced_user, at, at)
        on conflict (user_id) do nothing;
        is_new := found;
        -- Creating an organization waits here, or we wait for it: its message is always behind ours.
        perform from public.user_profiles as p where p.user_id = synced_user for update;
    end if;
    select * into known from public.user_profiles as p where p.user_id = synced_user;
    is_new := is_new or not found;
    if known.deleted_at is not null then
        outcome := 'deleted';
        return next;
        return;
    end if;
    if known.clerk_updated_at is not null and (changed_at is null or changed_at < known.clerk_updated_at) then
        outcome := 'superseded';
        return next;
        return;
    end if;

    -- Whoever invites this address meanwhile waits, or we wait for them: one of the two sees what the other one did.
    if new_email is not null and not dry_run then
        perform pg_advisory_xact_lock(hashtextextended('invite ' || lower(new_email), 0));
    end if;

    -- Clerk decides who exists and what they are called.
    if is_new then
        repaired := repaired || 'profile_missing'::text;
    elsif (known.display_name, known.email) is distinct from (new_display_name, new_email) then
        repaired := repaired || 'profile_outdated'::text;
    end if;
    if not dry_run then
        update public.user_profiles as p
        set display_name = new_display_name,
            email = new_email,
            clerk_updated_at = changed_at,
            updated_at = case
                when (p.display_name, p.email) is distinct from (new_display_name, new_email) then at else p.updated_at end
        where p.user_id = synced_user;
    end if;

    -- Profiles that were made for this address. Only ASCII: elsewhere different letters may have the same small one.
    if new_email ~ '^[!-~]+$' and exists (select from public.invited_profiles as i where i.email = lower(new_email)) then
        if may_link then
            is_linked := true;
            repaired := repaired || 'invitation_unclaimed'::text;
            -- Their organization is news for Clerk, whatever it has.
            seen := coalesce(seen, '{}'::jsonb);
            if not dry_run then
                for invitation in delete from public.invited_profiles as i where i.email = lower(new_email) returning i.* loop
                    insert into public.organization_users (organization_id, user_id, role, created_at)
                    values (invitation.organization_id, synced_user, invitation.role, at)
                    on conflict (organization_id, user_id) do nothing;
                end loop;
            end if;
        elsif not dry_run then
            perform public.ask_to_sync(synced_user, at);
        end if;
    end if;

    -- Postgres decides who belongs where. Whoever works in no organization of theirs works in the oldest one.
    select m.organization_id into active
    from public.organization_users as m
    where m.user_id = synced_user
    order by coalesce(m.organization_id = known.active_organization_id, false) desc, m.created_at, m.organization_id
    limit 1;
    if active is distinct from known.active_organization_id then
        if not is_linked then
            repaired := repaired || 'active_organization_lost'::text;
        end if;
        if not dry_run then
            update public.user_profiles as p set active_organization_id = active, updated_at = at where p.user_id = synced_user;
        end if;
    end if;
    -- What is under way will settle it, unless they belong somewhere only since now.
    if seen is not null and (is_linked or not exists (
        select from public.outbox_messages as o
        where o.user_id = synced_user and o.delivered_at is null and o.dead_at is null
    )) then
        wanted := jsonb_build_object('activeOrgId', active, 'onboardingComplete', nullif(active is not null, false));
        if active is null then
            difference := case
                when seen ->> 'activeOrgId' is not null or seen ->> 'onboardingComplete' is not null then 'metadata_left_over' end;
        elsif not seen @> wanted then
            difference := case when seen ->> 'activeOrgId' is null then 'metadata_missing' else 'metadata_differs' end;
        end if;
        if difference = 'metadata_left_over' and not may_clear then
            remaining := remaining || difference;
        elsif difference is not null then
            repaired := repaired || difference;
            if not dry_run then
                insert into public.outbox_messages (user_id, kind, payload, created_at, available_at)
                values (synced_user, 'update_user_metadata', jsonb_build_object('public_metadata', wanted), at, at);
            end if;
        end if;
    end if;
    if dry_run then
        remaining := repaired || remaining;
        repaired := '{}';
    end if;
    return next;
end
$$;

-- For processes of the version before, while they are being replaced.
create or replace function apply_clerk_user(
    changed_user text,
    new_display_name text,
    new_email text,
    changed_at timestamptz,
    seen jsonb,
    at timestamptz
) returns text
language sql security definer
set search_path = ''
as $$
    select synced.outcome
    from public.sync_clerk_user(changed_user, new_display_name, new_email, changed_at, seen, false, false, false, at) as synced
$$;

-- Makes the caller's profile if no webhook has made it yet, and asks the relay to look at them at Clerk. True: it is worth
-- waiting for, because they may turn out to be invited.
create function ensure_profile(at timestamptz) returns boolean
language plpgsql security definer
set search_path = ''
as $$
declare
    caller text := public.requesting_user_id();
begin
    if caller is null then
        raise insufficient_privilege using message = 'ensure_profile needs a caller';
    end if;
    insert into public.user_profiles (user_id, created_at, updated_at) values (caller, at, at) on conflict (user_id) do nothing;
    if found then
        perform public.ask_to_sync(caller, at);
    end if;
    return exists (
        select from public.outbox_messages as o
        where o.user_id = caller and o.kind = 'sync_user' and o.delivered_at is null and o.dead_at is null
    ) and exists (select from public.invited_profiles);
end
$$;

-- Asks the relay to look at a person at Clerk, unless it is asked already and has not begun.
create function ask_to_sync(asked_user text, at timestamptz) returns void
language sql security definer
set search_path = ''
as $$
    insert into public.outbox_messages (user_id, kind, payload, created_at, available_at)
    select asked_user, 'sync_user', '{}', at, at
    where not exists (
        select from public.outbox_messages as o
        where o.user_id = asked_user and o.kind = 'sync_user'
          and o.delivered_at is null and o.dead_at is null and o.leased_until is null
    )
$$;

-- Makes a place for somebody by their address: 'invited', 'already_member' or 'no_organization'. Inviting again changes the
-- role. Whoever has that address already is looked at by the relay at once.
create function invite_profile(new_id uuid, wanted_email text, wanted_slug text, wanted_role text, at timestamptz) returns text
language plpgsql security definer
set search_path = ''
as $$
declare
    place uuid;
begin
    perform pg_advisory_xact_lock(hashtextextended('invite ' || lower(wanted_email), 0));
    select o.id into place from public.organizations as o where o.slug = wanted_slug;
    if not found then
        return 'no_organization';
    end if;
    if exists (
        select from public.organization_users as m join public.user_profiles as p on p.user_id = m.user_id
        where m.organization_id = place and lower(p.email) = lower(wanted_email)
    ) then
        return 'already_member';
    end if;
    insert into public.invited_profiles (id, email, organization_id, role, created_at)
    values (new_id, lower(wanted_email), place, wanted_role, at)
    on conflict (email, organization_id) do update set role = excluded.role;
    perform public.ask_to_sync(p.user_id, at) from public.user_profiles as p
    where lower(p.email) = lower(wanted_email) and p.deleted_at is null;
    return 'invited';
end
$$;

-- Everybody whom we know and have not forgotten, in order, a page at a time.
create function list_people(after text, most integer) returns setof text
language sql stable security definer
set search_path = ''
as $$
    select known.user_id from (
        (select p.user_id from public.user_profiles as p
         where p.deleted_at is null and p.user_id > after order by p.user_id limit most)
        union
        (select distinct m.user_id from public.organization_users as m where m.user_id > after order by m.user_id limit most)
    ) as known
    order by known.user_id limit most
$$;

-- Those whom we do not know, out of a page of Clerk's.
create function list_strangers(candidates text[]) returns setof text
language sql stable security definer
set search_path = ''
as $$
    select candidate from unnest(candidates) as candidate
    where not exists (select from public.user_profiles as p where p.user_id = candidate)
      and not exists (select from public.organization_users as m where m.user_id = candidate)
$$;

-- Organizations that nobody owns any more.
create function list_ownerless_organizations() returns table (id uuid, ownerless_since timestamptz)
language sql stable security definer
set search_path = ''
as $$
    select o.id, o.ownerless_since from public.organizations as o
    where o.ownerless_since is not null order by o.ownerless_since, o.id limit 1000
$$;

-- As in 0001: default grants are taken back, then what is meant is given.
do $$
declare
    role_name text;
begin
    for role_name in
        select rolname from pg_roles where rolname in ('anon', 'authenticated', 'service_role')
    loop
        execute format('revoke all on invited_profiles, reconcile_progress from %I', role_name);
        execute format(
            'revoke all on function ask_to_sync(text, timestamptz), invite_profile(uuid, text, text, text, timestamptz), ensure_profile(timestamptz), list_people(text, integer), list_strangers(text[]), list_ownerless_organizations(), '
            'sync_clerk_user(text, text, text, timestamptz, jsonb, boolean, boolean, boolean, timestamptz) from %I', role_name);
    end loop;
end
$$;
revoke all on function ask_to_sync(text, timestamptz), invite_profile(uuid, text, text, text, timestamptz), ensure_profile(timestamptz), list_people(text, integer), list_strangers(text[]), list_ownerless_organizations(),
    sync_clerk_user(text, text, text, timestamptz, jsonb, boolean, boolean, boolean, timestamptz) from public;

grant select (kind) on outbox_messages to authenticated;
grant execute on function ensure_profile(timestamptz) to authenticated;
grant execute on function ask_to_sync(text, timestamptz), invite_profile(uuid, text, text, text, timestamptz), list_people(text, integer), list_strangers(text[]), list_ownerless_organizations(),
    sync_clerk_user(text, text, text, timestamptz, jsonb, boolean, boolean, boolean, timestamptz) to outbox_worker;
grant select, update on reconcile_progress to outbox_worker;

alter table invited_profiles enable row level security;
alter table reconcile_progress enable row level security;
create policy reconcile_progress_of_worker on reconcile_progress to outbox_worker using (true) with check (true);
