-- Organizations, their members, and what is known of users.
--
-- What must stay true: a caller sees the organizations they belong to and nothing of others, and writes only through
-- create_organization(). A user who was deleted at Clerk stays deleted: Clerk never gives an id twice.

create table public.organizations (
    id uuid primary key,
    name text not null,
    slug text not null,
    created_by text not null,
    created_at timestamptz not null,
    -- Since when it has no owner. An operator decides what becomes of it; nothing is deleted by itself.
    ownerless_since timestamptz,
    constraint organizations_slug_key unique (slug),
    constraint organizations_name_length check (char_length(name) between 1 and 80),
    constraint organizations_slug_form check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(slug) between 2 and 48)
);

create table public.organization_users (
    organization_id uuid not null references public.organizations (id) on delete cascade,
    user_id text not null,
    role text not null,
    created_at timestamptz not null,
    primary key (organization_id, user_id),
    constraint organization_users_role_known check (role in ('owner', 'admin', 'member'))
);
create index organization_users_user_id on public.organization_users (user_id, created_at);

create table public.user_profiles (
    user_id text primary key,
    display_name text,
    email text,
    active_organization_id uuid references public.organizations (id) on delete set null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    -- How new our knowledge is, by Clerk's own clock.
    clerk_updated_at timestamptz,
    -- A tombstone.
    deleted_at timestamptz
);
create index user_profiles_active_organization_id on public.user_profiles (active_organization_id);

-- Makes a repeated request give the first answer. Filled in the transaction it protects, so a failure burns no key.
create table public.idempotency_keys (
    user_id text not null,
    key text not null,
    request_hash bytea not null,
    organization_id uuid not null references public.organizations (id) on delete cascade,
    created_at timestamptz not null,
    primary key (user_id, key)
);
create index idempotency_keys_organization_id on public.idempotency_keys (organization_id);

-- A session token outlives its deleted user by up to a minute: no one joins or creates an organization with it. A new
-- owner ends the time without one.
create function vestibule.check_new_member() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    if exists (
        select from public.user_profiles as profile
        where profile.user_id = new.user_id and profile.deleted_at is not null
    ) then
        raise check_violation using message = 'this user was deleted', constraint = 'organization_users_user_deleted';
    end if;
    if new.role = 'owner' then
        update public.organizations set ownerless_since = null
        where id = new.organization_id and ownerless_since is not null;
    end if;
    return new;
end
$$;
create trigger organization_users_check_new_member before insert or update on public.organization_users
    for each row execute function vestibule.check_new_member();

-- The caller's organizations, past the policy that would otherwise have to ask itself.
create function vestibule.requesting_user_organization_ids() returns setof uuid
language sql stable security definer
set search_path = ''
as $$
    select member.organization_id
    from public.organization_users as member
    where member.user_id = (select vestibule.requesting_user_id())
$$;

-- Whether a slug is taken. Policies would hide other organizations and always say that it is not.
create function vestibule.organization_slug_taken(wanted text) returns boolean
language sql stable security definer
set search_path = ''
as $$ select exists (select from public.organizations as organization where organization.slug = wanted) $$;

-- Creates an organization with everything that belongs to it, or gives back the one that an earlier request created.
--
-- wanted_key: the client's idempotency key, or null for "the caller's first organization", of which there is only one,
-- however many tabs ask. wanted_hash: of the whole request. outcome: 'created', 'replayed' or 'key_reused'.
create function vestibule.create_organization(
    new_id uuid,
    new_name text,
    new_slug text,
    wanted_key text,
    wanted_hash bytea
) returns table (outcome text, id uuid, name text, slug text)
language plpgsql security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
    caller text := vestibule.requesting_user_id();
    stored_key text := coalesce(wanted_key, 'first-organization');
    at timestamptz := vestibule.clock();
    known record;
begin
    if caller is null then
        raise insufficient_privilege using message = 'create_organization needs a caller';
    end if;
    -- One creation per user at a time: the second one sees what the first one did.
    perform pg_advisory_xact_lock(hashtextextended('create_organization ' || caller, 0));

    -- The server's own key counts only while the caller still belongs there: a user who was removed may begin anew.
    select used.organization_id, used.request_hash into known
    from public.idempotency_keys as used
    where used.user_id = caller and used.key = stored_key
      and (wanted_key is not null or used.organization_id in (select vestibule.requesting_user_organization_ids()));
    if found and wanted_key is not null and known.request_hash <> wanted_hash then
        return query
            select 'key_reused'::text, organization.id, organization.name, organization.slug
            from public.organizations as organization where organization.id = known.organization_id;
        return;
    end if;
    if not found and wanted_key is null then
        select member.organization_id into known
        from public.organization_users as member where member.user_id = caller order by member.created_at limit 1;
    end if;
    if found then
        return query
            select 'replayed'::text, organization.id, organization.name, organization.slug
            from public.organizations as organization where organization.id = known.organization_id;
        return;
    end if;

    insert into public.organizations (id, name, slug, created_by, created_at)
    values (new_id, new_name, new_slug, caller, at);
    insert into public.organization_users (organization_id, user_id, role, created_at)
    values (new_id, caller, 'owner', at);
    insert into public.user_profiles (user_id, active_organization_id, created_at, updated_at)
    values (caller, new_id, at, at)
    on conflict (user_id) do update
    set active_organization_id = excluded.active_organization_id, updated_at = excluded.updated_at;
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
    set request_hash = excluded.request_hash,
        organization_id = excluded.organization_id,
        created_at = excluded.created_at;
    return query select 'created'::text, new_id, new_name, new_slug;
end
$$;

-- Renames an organization, if the caller owns or administers it. outcome: 'renamed', 'not_allowed' for other members,
-- or 'not_found' for callers who do not belong to it, whether it exists or not.
create function vestibule.rename_organization(wanted_id uuid, new_name text) returns text
language plpgsql security definer
set search_path = ''
as $$
declare
    caller_role text;
begin
    -- The lock keeps the role as it is until the name is written.
    select member.role into caller_role
    from public.organization_users as member
    where member.organization_id = wanted_id and member.user_id = vestibule.requesting_user_id()
    for share;
    if not found then
        return 'not_found';
    end if;
    if caller_role not in ('owner', 'admin') then
        return 'not_allowed';
    end if;
    update public.organizations set name = new_name where id = wanted_id;
    return 'renamed';
end
$$;

grant execute on function
    vestibule.rename_organization(uuid, text),
    vestibule.requesting_user_organization_ids(),
    vestibule.organization_slug_taken(text),
    vestibule.create_organization(uuid, text, text, text, bytea)
    to authenticated;

alter table public.organizations enable row level security;
alter table public.organization_users enable row level security;
alter table public.user_profiles enable row level security;
alter table public.idempotency_keys enable row level security;

grant select on public.organizations, public.organization_users, public.user_profiles to authenticated;
grant select on public.user_profiles to outbox_worker;

-- The caller's id and organizations stand in scalar subqueries, so that they are computed once per statement.
create policy organizations_of_members on public.organizations for select to authenticated
    using (id in (select vestibule.requesting_user_organization_ids()));

create policy organization_users_of_members on public.organization_users for select to authenticated
    using (organization_id in (select vestibule.requesting_user_organization_ids()));

create policy user_profiles_of_members on public.user_profiles for select to authenticated
    using (
        user_id = (select vestibule.requesting_user_id())
        or user_id in (
            select member.user_id from public.organization_users as member
            where member.organization_id in (select vestibule.requesting_user_organization_ids())
        )
    );

create policy user_profiles_of_worker on public.user_profiles for select to outbox_worker using (true);
