using System.Globalization;
using System.Net;
using System.Text;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// A connection to one Ceph cluster as one user. Safe for concurrent use. Pools and images opened through it keep the
/// connection open until they are closed.
/// </summary>
public sealed class RadosCluster : IAsyncDisposable
{
    /// <summary>How many images can be given to <see cref="ImageSpace.SparsifyAsync"/> at once; more would only take the OSDs' time from each other.</summary>
    public const int MaximumReclaims = 3;

    private const int FirstPoolNamesBytes = 4096;
    private const int MaximumPoolNamesBytes = 16 * 1024 * 1024;

    private readonly ClusterHandle _handle;

    private readonly RadosConnectionOptions _options;
    private readonly Lock _lock = new();
    private Task<RadosCluster>? _manager;

    private RadosCluster(ClusterHandle handle, string subject, CallThreads threads, RadosConnectionOptions options)
    {
        _handle = handle;
        _options = options;
        Subject = subject;
        Threads = threads;
        Snapshots = new ApartProcess(ApartWork.MirrorSnapshots, this, options);
        Generations = new GenerationProcess(this, options);
    }

    /// <summary>User and monitors, for messages.</summary>
    public string Subject { get; }

    /// <summary>The client's instance id: the number in <c>client.4151</c>. It is how watchers and blocklists name this connection.</summary>
    public ulong InstanceId => Librados.GetInstanceId(_handle);

    internal ClusterHandle Handle => _handle;

    /// <summary>For blocking calls.</summary>
    internal CallThreads Threads { get; }

    /// <summary>Takes mirror snapshots.</summary>
    internal ApartProcess Snapshots { get; }

    /// <summary>Takes generations of groups.</summary>
    internal GenerationProcess Generations { get; }

    /// <summary>Connects. Wraps <c>rados_create</c>, <c>rados_conf_set</c> and <c>rados_connect</c>.</summary>
    /// <exception cref="CephException">
    /// EACCES or EPERM: unknown user or wrong key. ETIMEDOUT: no monitor answered within
    /// <see cref="RadosConnectionOptions.ConnectTimeout"/>. EINVAL: no name of a monitor can be resolved. EIO: the key is of a
    /// kind that this release cannot read.
    /// </exception>
    public static Task<RadosCluster> ConnectAsync(RadosConnectionOptions options, CancellationToken cancellationToken) =>
        Abandonable.WaitAsync(ConnectAsync(options), cancellationToken);

    private static async Task<RadosCluster> ConnectAsync(RadosConnectionOptions options)
    {
        var subject = $"client.{options.User} at {options.Monitors}";
        MonitorList monitors;
        try
        {
            monitors = (await options.Monitors.ResolveAsync(options.ConnectTimeout).ConfigureAwait(false)).WithEachProtocol();
        }
        catch (FormatException e)
        {
            throw new CephException(Errno.EINVAL, "rados_connect", subject, e.Message);
        }
        try
        {
            return await ConnectAsync(options, monitors, subject).ConfigureAwait(false);
        }
        // librados gives up without a word where a monitor has refused the user and another one, or the other protocol of an
        // address that does not say which, is silent. Those that are alive give the answer at once.
        catch (CephException e) when (e.Errno == Errno.ETIMEDOUT)
        {
            if (await MonitorProbe.FindAliveAsync(monitors).ConfigureAwait(false) is not { } alive)
                throw;
            return await ConnectAsync(options, alive, subject).ConfigureAwait(false);
        }
    }

    private static async Task<RadosCluster> ConnectAsync(RadosConnectionOptions options, MonitorList monitors, string subject)
    {
        var handle = new ClusterHandle();
        try
        {
            NativeCall.Check(Librados.Create(out var cluster, options.User), "rados_create", subject);
            handle.Open(cluster);
            foreach (var (name, value) in Settings(options, monitors))
                NativeCall.Check(Librados.ConfSet(cluster, name, value), "rados_conf_set", $"{name} for {subject}");
            var threads = new CallThreads(options.User);
            await NativeCall.BlockingAsync(
                "rados_connect", subject, handle, threads.Changes, () => Connect(cluster), CancellationToken.None).ConfigureAwait(false);
            return new RadosCluster(handle, subject, threads, options);
        }
        // 16.2 has the same EINVAL for addresses and for a key of a newer kind.
        catch (CephException e) when (e.Errno == Errno.EINVAL && e.Function == "rados_connect" && !options.Key.IsAes)
        {
            handle.Dispose();
            throw new CephException(Errno.EIO, e.Function, subject, "this release of librados cannot read keys of its kind");
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    // A positive number is 16.2's word for a log-in that has not ended when the time is up.
    private static long Connect(nint cluster)
    {
        var result = Librados.Connect(cluster);
        return result > 0 ? -(int)Errno.ETIMEDOUT : result;
    }

    private static IEnumerable<(string Name, string Value)> Settings(RadosConnectionOptions options, MonitorList monitors)
    {
        yield return ("mon_host", monitors.ToString());
        yield return ("key", options.Key.Base64);
        // Else librados looks for a key ring in /etc/ceph and complains when there is none.
        yield return ("keyring", "");
        yield return ("client_mount_timeout", Seconds(options.ConnectTimeout));
        yield return ("rados_mon_op_timeout", Seconds(options.OperationTimeout));
        yield return ("rados_osd_op_timeout", Seconds(options.OperationTimeout));
        // Errors reach us as return values. 16.2 still writes a line to stderr when a user is denied, whatever is set.
        yield return ("log_to_stderr", "false");
        yield return ("err_to_stderr", "false");
        yield return ("log_file", "");
        yield return ("admin_socket", "");
        // We move no data but what import and drills write: no cache, no copy of it in memory.
        yield return ("rbd_cache", "false");
    }

    // Zero: no limit.
    private static string Seconds(TimeSpan time) => time == TimeSpan.Zero ? "0" : Math.Max(1, (long)Math.Ceiling(time.TotalSeconds)).ToString(CultureInfo.InvariantCulture);

    /// <summary>The cluster's id. Wraps <c>rados_cluster_fsid</c>; reads memory only.</summary>
    public unsafe string GetFsid()
    {
        const int Length = 37;
        var buffer = stackalloc byte[Length];
        NativeCall.Check(Librados.ClusterFsid(_handle, buffer, Length), "rados_cluster_fsid", Subject);
        return NativeText.Read(buffer);
    }

    /// <summary>
    /// Opens a pool by its number. Wraps <c>rados_pool_reverse_lookup</c>, <c>rados_ioctx_create2</c> and <c>rados_set_pool_full_try</c>;
    /// asks the monitors only if the pool is not in the map that this client has.
    /// </summary>
    /// <param name="id">Pool number.</param>
    /// <param name="radosNamespace">Rados namespace; empty for the default one.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="CephException">ENOENT: no such pool.</exception>
    public Task<RadosPool> OpenPoolAsync(long id, string radosNamespace, CancellationToken cancellationToken) =>
        Abandonable.WaitAsync(OpenByIdAsync(id, radosNamespace, cancellationToken), cancellationToken);

    /// <summary>Opens a pool by its name. Wraps <c>rados_pool_lookup</c> and <c>rados_ioctx_create2</c>.</summary>
    /// <exception cref="CephException">ENOENT: no such pool.</exception>
    public Task<RadosPool> OpenPoolAsync(string name, string radosNamespace, CancellationToken cancellationToken) =>
        Abandonable.WaitAsync(OpenByNameAsync(name, radosNamespace, cancellationToken), cancellationToken);

    private async Task<RadosPool> OpenByNameAsync(string name, string radosNamespace, CancellationToken cancellationToken)
    {
        var id = await LookUpAsync("rados_pool_lookup", name, () => Librados.PoolLookup(_handle, name), cancellationToken).ConfigureAwait(false);
        return await OpenByIdAsync(id, radosNamespace, cancellationToken).ConfigureAwait(false);
    }

    private async Task<RadosPool> OpenByIdAsync(long id, string radosNamespace, CancellationToken cancellationToken)
    {
        var subject = $"pool {id.ToString(CultureInfo.InvariantCulture)}";
        var name = "";
        nint ioctx = 0;
        await LookUpAsync("rados_pool_reverse_lookup", subject, () => PoolName(id, out name), cancellationToken).ConfigureAwait(false);
        var pool = new PoolHandle(_handle);
        try
        {
            await LookUpAsync("rados_ioctx_create2", subject, () => Librados.IoctxCreate2(_handle, id, out ioctx), cancellationToken).ConfigureAwait(false);
            pool.Open(ioctx);
            Librados.IoctxSetNamespace(pool, radosNamespace);
            // Else a write to a full pool waits for room; with it the answer is EDQUOT or ENOSPC, and what takes no room is done.
            Librados.SetPoolFullTry(pool);
            return new RadosPool(this, pool, id, name, radosNamespace);
        }
        catch
        {
            pool.Dispose();
            throw;
        }
    }

    private Task<long> LookUpAsync(string function, string subject, Func<long> call, CancellationToken cancellationToken) =>
        NativeCall.BlockingAsync(function, subject, _handle, Threads.LookUps, call, cancellationToken);

    private unsafe long PoolName(long id, out string name) =>
        NativeText.Fill((buffer, size) => Librados.PoolReverseLookup(_handle, id, buffer, *size), out name);

    /// <summary>Names of all pools. Wraps <c>rados_pool_list</c>; reads the map that this client has.</summary>
    public async Task<IReadOnlyList<string>> ListPoolsAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<string> names = [];
        await LookUpAsync("rados_pool_list", Subject, () => PoolNames(out names), cancellationToken)
            .WaitAsync(cancellationToken).ConfigureAwait(false);
        return names;
    }

    private unsafe long PoolNames(out IReadOnlyList<string> names)
    {
        IReadOnlyList<string> found = [];
        var result = SizedCall.Run(FirstPoolNamesBytes, MaximumPoolNamesBytes, (ref nuint room) =>
        {
            var buffer = new byte[room];
            int needed;
            fixed (byte* address = buffer)
                needed = Librados.PoolList(_handle, address, room);
            // It never answers ERANGE, but the size that is needed.
            if (needed > buffer.Length)
            {
                room = (nuint)needed;
                return -(int)Errno.ERANGE;
            }
            found = Encoding.UTF8.GetString(buffer).Split('\0', StringSplitOptions.RemoveEmptyEntries);
            return needed;
        });
        names = found;
        return result;
    }

    /// <summary>
    /// Sends a command to the active manager and returns its output. Wraps <c>rados_mgr_command</c>. While no manager is
    /// active the call waits, at most <see cref="RadosConnectionOptions.OperationTimeout"/>.
    /// </summary>
    /// <param name="json">The command, one JSON object whose values are strings.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="CephException">
    /// EAGAIN or EOPNOTSUPP: the module is starting, try again. ETIMEDOUT: no manager. <see cref="CephException.Detail"/>
    /// holds the manager's text.
    /// </exception>
    public async Task<string> MgrCommandAsync(string json, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(_options.OperationTimeout);
        try
        {
            var manager = await ConnectForManagerAsync().WaitAsync(patience.Token).ConfigureAwait(false);
            return await manager.SendToManagerAsync(json, patience.Token).WaitAsync(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CephException(Errno.ETIMEDOUT, "rados_mgr_command", json);
        }
    }

    // Where librados itself gives a command up it leaves it behind, and writes the answer of a manager that comes back into memory
    // that is gone: the process ends with "free(): invalid size" (16.2). So commands go through a connection that never gives one up;
    // who waits does, and the thread stays until a manager answers.
    private Task<RadosCluster> ConnectForManagerAsync()
    {
        lock (_lock)
        {
            if (_manager is null or { IsFaulted: true })
                _manager = ConnectAsync(_options with { OperationTimeout = TimeSpan.Zero });
            return _manager;
        }
    }

    private async Task<string> SendToManagerAsync(string json, CancellationToken cancellationToken)
    {
        string output = "", status = "";
        try
        {
            await NativeCall.BlockingAsync(
                "rados_mgr_command", json, _handle, Threads.Changes, () => MgrCommand(json, out output, out status), cancellationToken).ConfigureAwait(false);
            return output;
        }
        catch (CephException e)
        {
            throw new CephException(e.Errno, e.Function, e.Subject, status);
        }
    }

    private unsafe long MgrCommand(string json, out string output, out string status)
    {
        var result = JsonCommand.Run(
            json, (command, length, input, inputLength, outputText, outputLength, statusText, statusLength) =>
                Librados.MgrCommand(_handle, command, length, input, inputLength, outputText, outputLength, statusText, statusLength),
            out output, out status);
        // 16.2 answers a time-out as a positive number.
        return result > 0 ? -result : result;
    }

    /// <summary>
    /// Sends a command to the monitors and returns its output. Wraps <c>rados_mon_command</c>. Unlike one to the manager it can be given up
    /// by librados: what is answered later goes nowhere (16.2), though it may have been carried out.
    /// </summary>
    /// <param name="json">The command, one JSON object.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="CephException">
    /// EACCES: the user's capabilities do not allow it. ETIMEDOUT: no answer within <see cref="RadosConnectionOptions.OperationTimeout"/>.
    /// <see cref="CephException.Detail"/> holds the monitor's text.
    /// </exception>
    public Task<string> MonCommandAsync(string json, CancellationToken cancellationToken) =>
        SendToMonitorAsync(json, cancellationToken).WaitAsync(cancellationToken);

    private async Task<string> SendToMonitorAsync(string json, CancellationToken cancellationToken)
    {
        string output = "", status = "";
        try
        {
            await NativeCall.BlockingAsync(
                "rados_mon_command", json, _handle, Threads.MonitorCommands, () => MonCommand(json, out output, out status), cancellationToken).ConfigureAwait(false);
            return output;
        }
        catch (CephException e)
        {
            throw new CephException(e.Errno, e.Function, e.Subject, status);
        }
    }

    private unsafe long MonCommand(string json, out string output, out string status) => JsonCommand.Run(
        json, (command, length, input, inputLength, outputText, outputLength, statusText, statusLength) =>
            Librados.MonCommand(_handle, command, length, input, inputLength, outputText, outputLength, statusText, statusLength),
        out output, out status);

    /// <summary>The addresses by which the cluster knows this client. Wraps <c>rados_getaddrs</c>; reads memory only.</summary>
    public unsafe IReadOnlyList<IPAddress> GetAddresses()
    {
        byte* text = null;
        NativeCall.Check(Librados.GetAddrs(_handle, &text), "rados_getaddrs", Subject);
        var addresses = NativeText.Read(text);
        Librados.BufferFree(text);
        return MonMap.ReadAddresses(addresses);
    }

    /// <summary>
    /// Name of this site in mirroring; the cluster's id if it has none or if the user may not read configuration keys, which
    /// <c>profile rbd</c> does not allow. Wraps <c>rbd_mirror_site_name_get</c>.
    /// </summary>
    public Task<string> GetMirrorSiteNameAsync(CancellationToken cancellationToken) =>
        ReadMirrorSiteNameAsync(cancellationToken).WaitAsync(cancellationToken);

    private async Task<string> ReadMirrorSiteNameAsync(CancellationToken cancellationToken)
    {
        var name = "";
        await LookUpAsync("rbd_mirror_site_name_get", Subject, () => SiteName(out name), cancellationToken).ConfigureAwait(false);
        return name;
    }

    private unsafe long SiteName(out string name) =>
        NativeText.Fill((buffer, size) => Librbd.MirrorSiteNameGet(_handle, buffer, size), out name);

    /// <summary>
    /// Cuts a client off from the cluster: its operations fail and its watches end. A mirror daemon notices and connects again.
    /// Needs <c>profile rbd</c> for mon. Has threads of its own: it is what ends calls that hang on all others. Wraps <c>rados_blocklist_add</c>.
    /// </summary>
    /// <param name="clientAddress">Address and nonce, as a watcher of an image has them.</param>
    /// <param name="duration">For how long.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task BlocklistAsync(string clientAddress, TimeSpan duration, CancellationToken cancellationToken) =>
        NativeCall.BlockingAsync(
            "rados_blocklist_add", Subject, _handle, Threads.Fencing,
            () => Librados.BlocklistAdd(_handle, clientAddress, (uint)duration.TotalSeconds), cancellationToken).WaitAsync(cancellationToken);

    /// <summary>Closes the connection once the last pool and image opened through it is closed.</summary>
    public async ValueTask DisposeAsync()
    {
        _handle.Dispose();
        Snapshots.Dispose();
        Generations.Dispose();
        Task<RadosCluster>? manager;
        lock (_lock)
            manager = _manager;
        if (manager is { IsCompletedSuccessfully: true })
            await manager.Result.DisposeAsync().ConfigureAwait(false);
        await _handle.Closed.ConfigureAwait(false);
    }
}
