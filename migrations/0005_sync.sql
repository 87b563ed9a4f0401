-- Keeping Postgres and Clerk equal: one function that compares a user here with the user there, invited profiles, and
-- how far the regular comparison of all users has come.
--
-- What must stay true: Postgres decides who belongs where, Clerk decides who exists and what they are called. A user is
-- linked to an invited profile once, and only after Clerk's Backend API was asked for the verified address.

-- A future member: made for an address, by an operator. Gone once the user whom Clerk knows under it has claimed it.
create table public.invited_profiles (
    id uuid primary key,
    email text not null,
    organization_id uuid not null references public.organizations (id) on delete cascade,
    role text not null,
    created_at timestamptz not null,
    constraint invited_profiles_email_key unique (email, organization_id),
    constraint invited_profiles_email_form check (email = lower(email) and email ~ '^[!-~]+@[!-~]+$'),
    -- An address makes no one an owner.
    constraint invited_profiles_role_known check (role in ('admin', 'member'))
);
create index invited_profiles_organization_id on public.invited_profiles (organization_id);

-- The regular comparison of all users: one row, held by one process at a time. The first pass is due a while after this
-- file ran, not at the first start.
create table public.reconcile_progress (
    one boolean primary key default true,
    started_at timestamptz,
    finished_at timestamptz,
    leased_until timestamptz,
    place jsonb,
    constraint reconcile_progress_one check (one)
);
insert into public.reconcile_progress (finished_at) values (vestibule.clock());

alter table public.invited_profiles enable row level security;
alter table public.reconcile_progress enable row level security;
grant select, update on public.reconcile_progress to outbox_worker;
create policy reconcile_progress_of_worker on public.reconcile_progress to outbox_worker using (true) with check (true);

-- Compares what Clerk says about a user with what is known here, and settles it.
--
-- changed_at: by Clerk's own clock. seen: the public metadata that Clerk has, or null if that is not to be compared.
-- may_link: the data comes from the Backend API, so an invited profile may be claimed by it. Otherwise the relay is
-- asked to look there. may_clear: what Clerk keeps about an organization of a user who has none may be taken away.
-- dry_run: change nothing.
--
-- outcome: 'applied', 'superseded' (older than what is known) or 'deleted'. repaired and remaining: the differences, by
-- kind. A difference that a message under way will settle is none. Our own writes come back as webhooks: they do not
-- differ, so nothing echoes.
create function vestibule.sync_clerk_user(
    synced_user text,
    new_display_name text,
    new_email text,
    changed_at timestamptz,
    seen jsonb,
    may_link boolean,
    may_clear boolean,
    dry_run boolean,
    at vestibule.moment
) returns table (outcome text, repaired text[], remaining text[])
language plpgsql security definer
set search_path = ''
as $$
declare
    known record;
    invitation record;
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
        perform from public.user_profiles as profile where profile.user_id = synced_user for update;
    end if;
    select
        profile.display_name, profile.email, profile.active_organization_id,
        profile.clerk_updated_at, profile.deleted_at
    into known
    from public.user_profiles as profile where profile.user_id = synced_user;
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

    -- An invitation of this address at the same moment waits, or we wait for it: one of the two sees what the other one
    -- did.
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
        update public.user_profiles as profile
        set display_name = new_display_name,
            email = new_email,
            clerk_updated_at = changed_at,
            updated_at = case
                when (profile.display_name, profile.email) is distinct from (new_display_name, new_email) then at
                else profile.updated_at end
        where profile.user_id = synced_user;
    end if;

    -- Profiles that were made for this address. Only ASCII: elsewhere different letters may have the same small one.
    if new_email ~ '^[!-~]+$' and exists (
        select from public.invited_profiles as invited where invited.email = lower(new_email)
    ) then
        if may_link then
            is_linked := true;
            repaired := repaired || 'invitation_unclaimed'::text;
            -- Their organization is news for Clerk, whatever it has.
            seen := coalesce(seen, '{}'::jsonb);
            if not dry_run then
                for invitation in
                    delete from public.invited_profiles as invited where invited.email = lower(new_email)
                    returning invited.organization_id, invited.role
                loop
                    insert into public.organization_users (organization_id, user_id, role, created_at)
                    values (invitation.organization_id, synced_user, invitation.role, at)
                    on conflict (organization_id, user_id) do nothing;
                end loop;
            end if;
        elsif not dry_run then
            perform vestibule.ask_to_sync(synced_user, at);
        end if;
    end if;

    -- Postgres decides who belongs where. A user who works in no organization of theirs works in the oldest one.
    select member.organization_id into active
    from public.organization_users as member
    where member.user_id = synced_user
    order by
        coalesce(member.organization_id = known.active_organization_id, false) desc,
        member.created_at,
        member.organization_id
    limit 1;
    if active is distinct from known.active_organization_id then
        if not is_linked then
            repaired := repaired || 'active_organization_lost'::text;
        end if;
        if not dry_run then
            update public.user_profiles as profile set active_organization_id = active, updated_at = at
            where profile.user_id = synced_user;
        end if;
    end if;
    -- What is under way will settle it, unless they belong somewhere only since now.
    if seen is not null and (is_linked or not exists (
        select from public.outbox_messages as message
        where message.user_id = synced_user and message.delivered_at is null and message.dead_at is null
    )) then
        wanted := jsonb_build_object('activeOrgId', active, 'onboardingComplete', nullif(active is not null, false));
        if active is null then
            difference := case
                when seen ->> 'activeOrgId' is not null or seen ->> 'onboardingComplete' is not null
                then 'metadata_left_over' end;
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

-- Makes the caller's profile if no webhook has made it yet, and asks the relay to compare them with Clerk. True: it is
-- worth waiting for, because they may turn out to be invited.
create function vestibule.ensure_profile() returns boolean
language plpgsql security definer
set search_path = ''
as $$
declare
    caller text := vestibule.requesting_user_id();
    at timestamptz := vestibule.clock();
begin
    if caller is null then
        raise insufficient_privilege using message = 'ensure_profile needs a caller';
    end if;
    insert into public.user_profiles (user_id, created_at, updated_at) values (caller, at, at)
    on conflict (user_id) do nothing;
    if found then
        perform vestibule.ask_to_sync(caller, at);
    end if;
    return exists (
        select from public.outbox_messages as message
        where message.user_id = caller and message.kind = 'sync_user'
          and message.delivered_at is null and message.dead_at is null
    ) and exists (select from public.invited_profiles);
end
$$;

-- Invites an address: 'invited', 'already_member' or 'no_organization'. Inviting again changes the role. If a user has
-- that address already, the relay looks at them at once.
create function vestibule.invite_profile(
    new_id uuid,
    wanted_email text,
    wanted_slug text,
    wanted_role text,
    at vestibule.moment
) returns text
language plpgsql security definer
set search_path = ''
as $$
declare
    place uuid;
begin
    perform pg_advisory_xact_lock(hashtextextended('invite ' || lower(wanted_email), 0));
    select organization.id into place from public.organizations as organization where organization.slug = wanted_slug;
    if not found then
        return 'no_organization';
    end if;
    if exists (
        select from public.organization_users as member
        join public.user_profiles as profile on profile.user_id = member.user_id
        where member.organization_id = place and lower(profile.email) = lower(wanted_email)
    ) then
        return 'already_member';
    end if;
    insert into public.invited_profiles (id, email, organization_id, role, created_at)
    values (new_id, lower(wanted_email), place, wanted_role, at)
    on conflict (email, organization_id) do update set role = excluded.role;
    perform vestibule.ask_to_sync(profile.user_id, at) from public.user_profiles as profile
    where lower(profile.email) = lower(wanted_email) and profile.deleted_at is null;
    return 'invited';
end
$$;

-- All users whom we know and have not forgotten, in order, a page at a time.
create function vestibule.list_users(after text, most integer) returns setof text
language sql stable security definer
set search_path = ''
as $$
    select known.user_id from (
        (select profile.user_id from public.user_profiles as profile
         where profile.deleted_at is null and profile.user_id > after order by profile.user_id limit most)
        union
        (select distinct member.user_id from public.organization_users as member
         where member.user_id > after order by member.user_id limit most)
    ) as known
    order by known.user_id limit most
$$;

-- The users whom we do not know, out of a page of Clerk's.
create function vestibule.list_unknown_users(candidates text[]) returns setof text
language sql stable security definer
set search_path = ''
as $$
    select candidate from unnest(candidates) as candidate
    where not exists (select from public.user_profiles as profile where profile.user_id = candidate)
      and not exists (select from public.organization_users as member where member.user_id = candidate)
$$;

-- Organizations without an owner, those first that have been so for longest.
create function vestibule.list_ownerless_organizations() returns setof uuid
language sql stable security definer
set search_path = ''
as $$
    select organization.id from public.organizations as organization
    where organization.ownerless_since is not null
    order by organization.ownerless_since, organization.id limit 1000
$$;

grant execute on function vestibule.ensure_profile() to authenticated;
grant execute on function
    vestibule.sync_clerk_user(text, text, text, timestamptz, jsonb, boolean, boolean, boolean, vestibule.moment),
    vestibule.invite_profile(uuid, text, text, text, vestibule.moment),
    vestibule.list_users(text, integer),
    vestibule.list_unknown_users(text[]),
    vestibule.list_ownerless_organizations()
    to outbox_worker;
