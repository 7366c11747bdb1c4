using Grpc.Core;
using Grpc.Net.Client;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.Csi.Grpc;

/// <summary>
/// What the driver behind <see cref="DriverSocket"/> says that it can do. It is asked each time that somebody asks us, which is once a
/// connection, and what it said last holds while it does not answer. Callers keep for the life of a pod what they are told: so until it has
/// answered once they are told nothing, for some minutes.
/// </summary>
internal sealed partial class DriverCapabilities : IDisposable
{
    /// <summary>Longest time that the driver is waited for.</summary>
    public static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long a driver that has never answered holds up the rest. The sidecar calls nothing before it knows the capabilities, and a driver
    /// whose image cannot be had must not keep a volume from being promoted.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly DriverSocket _driver;
    private readonly IdentityOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly long _started;
    private readonly GrpcChannel _channel;
    private readonly Identity.IdentityClient _identity;
    private IReadOnlyList<Capability>? _known;
    private bool _isSilent;
    private bool _isNameless;
    private bool _isGivenUp;

    public DriverCapabilities(DriverSocket driver, IdentityOptions options, TimeProvider time, ILogger<DriverCapabilities> logger)
    {
        _driver = driver;
        _options = options;
        _time = time;
        _logger = logger;
        _started = time.GetTimestamp();
        _channel = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            HttpHandler = driver.Handler,
            MaxReceiveMessageSize = ServeLimits.MessageBytes,
        });
        _identity = new Identity.IdentityClient(_channel);
    }

    /// <summary>The driver's capabilities, as it told them now or the last time that it could; none where it has not answered within <see cref="Patience"/>.</summary>
    /// <exception cref="RpcException">UNAVAILABLE: it has not answered yet.</exception>
    public async Task<IReadOnlyList<Capability>> GetAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await AskAsync(cancellationToken);
        }
        catch (RpcException e) when (!cancellationToken.IsCancellationRequested)
        {
            if (Interlocked.Exchange(ref _isSilent, true) == false)
                Silent(_driver.Path, e.StatusCode);
            if (Volatile.Read(ref _known) is { } known)
                return known;
            if (_time.GetElapsedTime(_started) >= Patience)
            {
                if (Interlocked.Exchange(ref _isGivenUp, true) == false)
                    GivenUp(_driver.Path, Patience.TotalMinutes);
                return [];
            }
            throw new RpcException(new Status(StatusCode.Unavailable,
                $"what the driver behind {_driver.Path} can do is not known before it has answered once ({e.StatusCode}): look at the driver's container; it is asked again with each call"));
        }
    }

    /// <summary>Whether the driver has answered once; it is asked if not.</summary>
    public async Task<bool> AreKnownAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _known) is not null)
            return true;
        try
        {
            await GetAsync(cancellationToken);
            return true;
        }
        catch (RpcException)
        {
            return false;
        }
    }

    /// <summary>
    /// Ours first, then those of the driver's that are true here too: not that it is a node's, and no further types of what a service
    /// here announces, since the calls for those end here. Reclaiming space is two services, of which the node's is never here.
    /// What is of kinds that are not known yet is kept as it came.
    /// </summary>
    public static IEnumerable<Capability> Union(IEnumerable<Capability> own, IEnumerable<Capability> drivers)
    {
        var ours = own.ToList();
        var kinds = ours.Select(capability => capability.TypeCase).Except([Capability.TypeOneofCase.None, Capability.TypeOneofCase.ReclaimSpace]).ToHashSet();
        return ours.Concat(drivers.Where(capability =>
            !kinds.Contains(capability.TypeCase) && capability.Service?.Type != Capability.Types.Service.Types.Type.NodeService)).Distinct();
    }

    public void Dispose() => _channel.Dispose();

    private async Task<IReadOnlyList<Capability>> AskAsync(CancellationToken cancellationToken)
    {
        var capabilities = (await _identity.GetCapabilitiesAsync(new(), OptionsFor(cancellationToken))).Capabilities;
        var isNews = Interlocked.Exchange(ref _isSilent, false) | Volatile.Read(ref _known) is null;
        Volatile.Write(ref _known, capabilities);
        if (isNews || Volatile.Read(ref _isNameless))
            await TellAsync(capabilities.Count, OptionsFor(cancellationToken));
        return capabilities;
    }

    private static CallOptions OptionsFor(CancellationToken cancellationToken) => new(deadline: DateTime.UtcNow + AnswerTime, cancellationToken: cancellationToken);

    private async Task TellAsync(int count, CallOptions options)
    {
        try
        {
            var identity = await _identity.GetIdentityAsync(new(), options);
            Volatile.Write(ref _isNameless, false);
            var (name, version) = (RequestVolume.Printable(identity.Name), RequestVolume.Printable(identity.VendorVersion));
            if (identity.Name == _options.DriverName)
                Known(_driver.Path, name, version, count);
            else
                Other(_driver.Path, name, _options.DriverName);
        }
        catch (RpcException)
        {
            // Its name is for the log alone, and is asked for again with the next call.
            if (Interlocked.Exchange(ref _isNameless, true) == false)
                Known(_driver.Path, "", "", count);
        }
    }

    [LoggerMessage(EventIds.DriverKnown, LogLevel.Information, "The driver behind {Socket} answers: {Driver} {Version}, {Count} capabilities")]
    private partial void Known(string socket, string driver, string version, int count);

    [LoggerMessage(EventIds.OtherDriver, LogLevel.Warning, "The driver behind {Socket} is {Driver} and not {DriverName}, whose calls are forwarded to it")]
    private partial void Other(string socket, string driver, string driverName);

    [LoggerMessage(EventIds.DriverGivenUp, LogLevel.Error, "The driver behind {Socket} has not answered for {Minutes:0} minutes: callers are told what is served here alone, and keep that for the life of this pod; when the driver is there, restart the pod")]
    private partial void GivenUp(string socket, double minutes);

    [LoggerMessage(EventIds.DriverSilent, LogLevel.Warning, "The driver behind {Socket} does not tell its capabilities: {Code}")]
    private partial void Silent(string socket, StatusCode code);
}
