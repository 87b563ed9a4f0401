-- Organizations, who belongs to them, and what is still to be told to Clerk.
--
-- Who may do what:
--   authenticated   the caller of one request. Reads by policy; writes only through create_organization().
--   outbox_worker   the relay. Reads and marks outbox messages, keeps names and addresses in profiles current.
--   the owner       whoever runs this file. The functions below run with its rights, and it serves no requests.
-- Row level security is enabled, not forced: the owner's functions must reach the rows they guard.
-- The two roles are shared by the whole cluster, may exist already (Supabase has `authenticated`), and may be created by
-- two databases at once; hence the guards.

do $$
declare
    role_name text;
begin
    foreach role_name in array array['authenticated', 'outbox_worker'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            begin
                execute format('create role %I nologin', role_name);
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;
end
$$;

create table organizations (
    id uuid primary key,
    name text not null,
    slug text not null,
    created_by text not null,
    created_at timestamptz not null,
    constraint organizations_slug_key unique (slug),
    constraint organizations_name_length check (char_length(name) between 1 and 80),
    constraint organizations_slug_form check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(slug) between 2 and 48)
);

create table organization_users (
    organization_id uuid not null references organizations (id) on delete cascade,
    user_id text not null,
    role text not null,
    created_at timestamptz not null,
    primary key (organization_id, user_id),
    constraint organization_users_role_known check (role in ('owner', 'admin', 'member'))
);
create index organization_users_user_id on organization_users (user_id, created_at);

create table user_profiles (
    user_id text primary key,
    display_name text,
    email text,
    active_organization_id uuid references organizations (id) on delete set null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index user_profiles_active_organization_id on user_profiles (active_organization_id);

-- What must happen at Clerk because of a committed change. Delivered in order per user.
create table outbox_messages (
    id bigint generated always as identity primary key,
    user_id text not null,
    kind text not null,
    payload jsonb not null,
    created_at timestamptz not null,
    available_at timestamptz not null,
    attempts integer not null default 0,
    leased_until timestamptz,
    delivered_at timestamptz,
    dead_at timestamptz,
    last_error text,
    constraint outbox_messages_kind_known check (kind in ('update_user_metadata'))
);
create index outbox_messages_waiting on outbox_messages (user_id, id) where delivered_at is null and dead_at is null;

-- Makes a repeated request give the first answer. Filled in the transaction it protects, so a failure burns no key.
create table idempotency_keys (
    user_id text not null,
    key text not null,
    request_hash bytea not null,
    organization_id uuid not null references organizations (id) on delete cascade,
    created_at timestamptz not null,
    primary key (user_id, key)
);
create index idempotency_keys_organization_id on idempotency_keys (organization_id);

-- The caller, from the claims that the tenancy door sets for one transaction. After a transaction-local setting ends it
-- reads as '', not as null.
create function requesting_user_id() returns text
language sql stable parallel safe
set search_path = ''
as $$ select nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub' $$;

-- The caller's organizations, past the policy that would otherwise have to ask itself.
create function requesting_user_organization_ids() returns setof uuid
language sql stable security definer
set search_path = ''
as $$
    select member.organization_id
    from public.organization_users as member
    where member.user_id = (select public.requesting_user_id())
$$;

-- Whether a slug is taken. Policies would hide other people's organizations and always say "free".
create function organization_slug_taken(wanted text) returns boolean
language sql stable security definer
set search_path = ''
as $$ select exists (select from public.organizations as o where o.slug = wanted) $$;

-- Creates an organization with everything that belongs to it, or gives back the one an earlier request created.
--
-- wanted_key: the client's idempotency key, or null for "the caller's first organization", of which there is only one,
-- however many tabs ask. outcome: 'created', 'replayed' or 'key_reused'.
create function create_organization(
    new_id uuid,
    new_name text,
    new_slug text,
    wanted_key text,
    wanted_hash bytea,
    at timestamptz
) returns table (outcome text, id uuid, name text, slug text)
language plpgsql security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
    caller text := public.requesting_user_id();
    stored_key text := coalesce(wanted_key, 'first-organization');
    known record;
begin
    if caller is null then
        raise insufficient_privilege using message = 'create_organization needs a caller';
    end if;
    -- One creation per person at a time: the second one sees what the first one did.
    perform pg_advisory_xact_lock(hashtextextended('create_organization ' || caller, 0));

    -- The server's own key counts only while the caller still belongs there: whoever was removed may begin anew.
    select k.organization_id, k.request_hash into known
    from public.idempotency_keys as k
    where k.user_id = caller and k.key = stored_key
      and (wanted_key is not null or k.organization_id in (select public.requesting_user_organization_ids()));
    if found and wanted_key is not null and known.request_hash <> wanted_hash then
        return query select 'key_reused'::text, o.id, o.name, o.slug from public.organizations as o where o.id = known.organization_id;
        return;
    end if;
    if not found and wanted_key is null then
        select m.organization_id into known
        from public.organization_users as m where m.user_id = caller order by m.created_at limit 1;
    end if;
    if found then
        return query select 'replayed'::text, o.id, o.name, o.slug from public.organizations as o where o.id = known.organization_id;
        return;
    end if;

    insert into public.organizations (id, name, slug, created_by, created_at) values (new_id, new_name, new_slug, caller, at);
    insert into public.organization_users (organization_id, user_id, role, created_at) values (new_id, caller, 'owner', at);
    insert into public.user_profiles as p (user_id, active_organization_id, created_at, updated_at)
    values (caller, new_id, at, at)
    on conflict (user_id) do update set active_organization_id = excluded.active_organization_id, updated_at = excluded.updated_at;
    insert into public.outbox_messages (user_id, kind, payload, created_at, available_at)
    values (
        caller,
        'update_user_metadata',
        jsonb_build_object('public_metadata', jsonb_build_object('activeOrgId', new_id, 'onboardingComplete', true)),
        at,
        at
    );
    insert into public.idempotency_keys (user_id, key, request_hash, organization_id, created_at)
    values (caller, stored_key, wanted_hash, new_id, at)
    on conflict (user_id, key) do update
    set request_hash = excluded.request_hash, organization_id = excluded.organization_id, created_at = excluded.created_at;
    return query select 'created'::text, new_id, new_name, new_slug;
end
$$;

-- Supabase grants new tables in "public" to its roles by default. Take everything back, then give what is meant.
do $$
declare
    role_name text;
begin
    for role_name in
        select rolname from pg_roles where rolname in ('anon', 'authenticated', 'service_role')
    loop
        execute format(
            'revoke all on organizations, organization_users, user_profiles, outbox_messages, idempotency_keys from %I', role_name);
        execute format(
            'revoke all on function requesting_user_id(), requesting_user_organization_ids(), organization_slug_taken(text), '
            'create_organization(uuid, text, text, text, bytea, timestamptz) from %I', role_name);
        execute format('revoke all on sequence outbox_messages_id_seq from %I', role_name);
        -- The migrator's own table was made just before this file ran.
        if to_regclass('_sqlx_migrations') is not null then
            execute format('revoke all on _sqlx_migrations from %I', role_name);
        end if;
    end loop;
end
$$;
revoke all on function requesting_user_id(), requesting_user_organization_ids(), organization_slug_taken(text),
    create_organization(uuid, text, text, text, bytea, timestamptz) from public;

grant usage on schema public to authenticated, outbox_worker;
grant select on organizations, organization_users, user_profiles to authenticated;
grant select (id, user_id, created_at, attempts, delivered_at, dead_at) on outbox_messages to authenticated;
grant execute on function requesting_user_id(), requesting_user_organization_ids(), organization_slug_taken(text),
    create_organization(uuid, text, text, text, bytea, timestamptz) to authenticated;
grant select, update on outbox_messages to outbox_worker;
grant select, update on user_profiles to outbox_worker;

alter table organizations enable row level security;
alter table organization_users enable row level security;
alter table user_profiles enable row level security;
alter table outbox_messages enable row level security;
alter table idempotency_keys enable row level security;

-- The caller's id and organizations stand in scalar subqueries, so that they are computed once per statement.
create policy organizations_of_members on organizations for select to authenticated
    using (id in (select requesting_user_organization_ids()));

create policy organization_users_of_members on organization_users for select to authenticated
    using (organization_id in (select requesting_user_organization_ids()));

create policy user_profiles_of_members on user_profiles for select to authenticated
    using (
        user_id = (select requesting_user_id())
        or user_id in (
            select m.user_id from organization_users as m where m.organization_id in (select requesting_user_organization_ids())
        )
    );

create policy outbox_messages_of_caller on outbox_messages for select to authenticated
    using (user_id = (select requesting_user_id()));

create policy outbox_messages_of_worker on outbox_messages to outbox_worker using (true) with check (true);
create policy user_profiles_of_worker on user_profiles to outbox_worker using (true) with check (true);
