-- What Clerk tells us by webhook, and what follows from it.
--
-- What must stay true: a message is applied once, however often it is sent, and in whatever order messages come the end
-- is the same. Newer knowledge of a person is never replaced by older, and a deleted person stays deleted.

-- What came in. The payload is the person's data, so it is kept only until it is applied; the row stays, to know the
-- message again. Messages that mean nothing to us are kept without payload.
create table webhook_messages (
    id text primary key,
    type text not null,
    user_id text,
    payload jsonb,
    received_at timestamptz not null,
    available_at timestamptz not null,
    attempts integer not null default 0,
    applied_at timestamptz,
    outcome text,
    dead_at timestamptz,
    last_error text,
    constraint webhook_messages_outcome_known check (outcome in ('applied', 'superseded', 'deleted', 'ignored'))
);
create index webhook_messages_waiting on webhook_messages (received_at, id) where applied_at is null and dead_at is null;
create index webhook_messages_dead on webhook_messages (user_id) where dead_at is not null;

-- clerk_updated_at: how new our knowledge is, by Clerk's own clock. deleted_at: a tombstone; Clerk never gives an id twice.
alter table user_profiles add column clerk_updated_at timestamptz, add column deleted_at timestamptz;

-- Since when nobody owns it. Somebody has to decide what becomes of it; nothing is deleted by itself.
alter table organizations add column ownerless_since timestamptz;

-- A session token outlives its deleted person by up to a minute: nobody joins or creates an organization with it.
create function keep_members_alive() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    if exists (select from public.user_profiles as p where p.user_id = new.user_id and p.deleted_at is not null) then
        raise check_violation using message = 'this person was deleted', constraint = 'organization_users_user_deleted';
    end if;
    if new.role = 'owner' then
        update public.organizations set ownerless_since = null where id = new.organization_id and ownerless_since is not null;
    end if;
    return new;
end
$$;
create trigger organization_users_alive before insert or update on organization_users
    for each row execute function keep_members_alive();

-- Takes over what Clerk says about a person: 'applied', 'superseded' (older than what is known) or 'deleted'.
--
-- seen: the public metadata that Clerk has, or null if that is not to be compared. Where it differs from what Clerk was
-- told, Clerk is told again. Our own writes come back as webhooks: they do not differ, so nothing echoes. What is under
-- way will repair it anyway, and older metadata never gets this far.
create function apply_clerk_user(
    changed_user text,
    new_display_name text,
    new_email text,
    changed_at timestamptz,
    seen jsonb,
    at timestamptz
) returns text
language plpgsql security definer
set search_path = ''
as $$
declare
    known public.user_profiles;
    wanted jsonb;
begin
    insert into public.user_profiles (user_id, created_at, updated_at) values (changed_user, at, at)
    on conflict (user_id) do nothing;
    select * into strict known from public.user_profiles as p where p.user_id = changed_user for update;
    if known.deleted_at is not null then
        return 'deleted';
    end if;
    if known.clerk_updated_at is not null and (changed_at is null or changed_at < known.clerk_updated_at) then
        return 'superseded';
    end if;
    update public.user_profiles as p
    set display_name = new_display_name,
        email = new_email,
        clerk_updated_at = changed_at,
        updated_at = case
            when (p.display_name, p.email) is distinct from (new_display_name, new_email) then at else p.updated_at end
    where p.user_id = changed_user;

    if seen is not null and exists (
        select from public.organization_users as m
        where m.user_id = changed_user and m.organization_id = known.active_organization_id
    ) then
        wanted := jsonb_build_object('activeOrgId', known.active_organization_id, 'onboardingComplete', true);
        if not seen @> wanted and not exists (
            select from public.outbox_messages as o
            where o.user_id = changed_user and o.delivered_at is null and o.dead_at is null
        ) then
            insert into public.outbox_messages (user_id, kind, payload, created_at, available_at)
            values (changed_user, 'update_user_metadata', jsonb_build_object('public_metadata', wanted), at, at);
        end if;
    end if;
    return 'applied';
end
$$;

-- Forgets a person who was deleted at Clerk: memberships, name, address, and what is left of messages about them. Gives
-- the organizations that lost their last owner by it.
create function forget_clerk_user(gone_user text, at timestamptz) returns setof uuid
language plpgsql security definer
set search_path = ''
as $$
declare
    left_ids uuid[];
begin
    -- The lock of create_organization: what is being created is finished first, and then found.
    perform pg_advisory_xact_lock(hashtextextended('create_organization ' || gone_user, 0));
    insert into public.user_profiles as p (user_id, created_at, updated_at, deleted_at) values (gone_user, at, at, at)
    on conflict (user_id) do update
    set display_name = null,
        email = null,
        active_organization_id = null,
        updated_at = case when p.deleted_at is null then at else p.updated_at end,
        deleted_at = coalesce(p.deleted_at, at);
    -- Two owners may go at the same moment: the second one must see that the first has gone.
    select array_agg(locked.id) into left_ids
    from (
        select o.id from public.organizations as o
        where o.id in (select m.organization_id from public.organization_users as m where m.user_id = gone_user)
        order by o.id
        for no key update
    ) as locked;
    delete from public.organization_users as m where m.user_id = gone_user;
    delete from public.idempotency_keys as k where k.user_id = gone_user;
    update public.webhook_messages as w set payload = null where w.user_id = gone_user and w.dead_at is not null;
    return query
        update public.organizations as o set ownerless_since = at
        where o.id = any (left_ids) and o.ownerless_since is null
          and not exists (select from public.organization_users as m where m.organization_id = o.id and m.role = 'owner')
        returning o.id;
end
$$;

-- As in 0001: Supabase's default grants are taken back, then what is meant is given.
do $$
declare
    role_name text;
begin
    for role_name in
        select rolname from pg_roles where rolname in ('anon', 'authenticated', 'service_role')
    loop
        execute format('revoke all on webhook_messages from %I', role_name);
        execute format(
            'revoke all on function keep_members_alive(), forget_clerk_user(text, timestamptz), '
            'apply_clerk_user(text, text, text, timestamptz, jsonb, timestamptz) from %I', role_name);
    end loop;
end
$$;
revoke all on function keep_members_alive(), forget_clerk_user(text, timestamptz),
    apply_clerk_user(text, text, text, timestamptz, jsonb, timestamptz) from public;

grant select, insert, update on webhook_messages to outbox_worker;
grant execute on function forget_clerk_user(text, timestamptz),
    apply_clerk_user(text, text, text, timestamptz, jsonb, timestamptz) to outbox_worker;

alter table webhook_messages enable row level security;
create policy webhook_messages_of_worker on webhook_messages to outbox_worker using (true) with check (true);
