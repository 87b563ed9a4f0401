-- What a running server needs to look after itself: which schema it met.

-- Which files of this folder were applied. The migrator's own table stays closed to everybody but the owner.
create function applied_migrations() returns setof bigint
language plpgsql stable security definer
set search_path = ''
as $$
begin
    return query select m.version from public._sqlx_migrations as m where m.success;
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
        execute format('revoke all on function applied_migrations() from %I', role_name);
    end loop;
end
$$;
revoke all on function applied_migrations() from public;
grant execute on function applied_migrations() to outbox_worker;
