using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Objects;

namespace RbdReplication.DisasterRecovery;

/// <summary>What a site has for the claims of a namespace, read once: a dozen requests for any number of claims.</summary>
internal sealed class SiteReading
{
    private readonly Dictionary<string, Protection> _protections = new(StringComparer.Ordinal);

    private SiteReading(string siteName) => SiteName = siteName;

    public string SiteName { get; }

    /// <summary>Why it could not be read; null where it was.</summary>
    public string? Silence { get; private init; }

    /// <summary>Claims by name.</summary>
    public required IReadOnlyDictionary<string, JsonObject> Claims { get; init; }

    /// <summary>PersistentVolumes by name: those that were asked for and those of the claims.</summary>
    public required IReadOnlyDictionary<string, JsonObject> Volumes { get; init; }

    /// <summary>Whether the server knows VolumeReplications at all.</summary>
    public required bool KnowsReplication { get; init; }

    /// <summary>Every protection of the namespace.</summary>
    public required IReadOnlyList<Protection> Protections { get; init; }

    /// <summary>Claims that more than one protection switches, which would be two masters.</summary>
    public required IReadOnlySet<string> ProtectedTwice { get; init; }

    /// <summary>The protection that switches a claim; null where it is not protected at this site.</summary>
    public Protection? ProtectionOf(string claim) => _protections.GetValueOrDefault(claim);

    /// <summary>The protection of this kind and name; null where there is none.</summary>
    public Protection? Find(ResourceKind kind, ObjectName name) => Protections.FirstOrDefault(protection => protection.Kind == kind && protection.Name == name);

    /// <summary>The PersistentVolume that a claim is bound to, or was restored with.</summary>
    public JsonObject? VolumeOf(string claim) =>
        Claims.GetValueOrDefault(claim)?.Text("spec", "volumeName") is { } name ? Volumes.GetValueOrDefault(name) : null;

    /// <summary>Reads a site.</summary>
    /// <param name="site">The site.</param>
    /// <param name="nameSpace">The claims' namespace.</param>
    /// <param name="claims">Names of the claims whose volumes are of interest; null for all of the namespace.</param>
    /// <param name="volumes">Names of further PersistentVolumes that are of interest.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public static async Task<SiteReading> ReadAsync(
        Site site, string nameSpace, IReadOnlySet<string>? claims, IEnumerable<string> volumes, CancellationToken cancellation)
    {
        var claimsRead = site.ListAsync(Kinds.Claim, nameSpace, null, cancellation);
        var singles = site.FindAllAsync(Kinds.VolumeReplication, nameSpace, null, cancellation);
        var groups = site.ListAsync(Kinds.GroupReplication, nameSpace, null, cancellation);
        await Task.WhenAll((Task[])[claimsRead, singles, groups]).ConfigureAwait(false);
        var found = (await claimsRead.ConfigureAwait(false)).ToDictionary(claim => claim.Name(), StringComparer.Ordinal);
        var names = found.Values.Where(claim => claims?.Contains(claim.Name()) != false)
            .Select(claim => claim.Text("spec", "volumeName")).OfType<string>().Concat(volumes).ToHashSet(StringComparer.Ordinal);
        var protections = Protection.Of(await singles.ConfigureAwait(false) ?? [], await groups.ConfigureAwait(false));
        var twice = new HashSet<string>(StringComparer.Ordinal);
        var reading = new SiteReading(site.Name)
        {
            Claims = found,
            Volumes = await site.FindManyAsync(Kinds.Volume, names, cancellation).ConfigureAwait(false),
            KnowsReplication = await singles.ConfigureAwait(false) is not null,
            Protections = protections,
            ProtectedTwice = twice,
        };
        foreach (var protection in protections)
        {
            foreach (var claim in protection.Claims)
            {
                if (!reading._protections.TryAdd(claim, protection))
                    twice.Add(claim);
            }
        }
        return reading;
    }

    /// <summary>As a site that does not answer.</summary>
    public static SiteReading OfSilent(Site site, string why) => new(site.Name)
    {
        Silence = why,
        Claims = new Dictionary<string, JsonObject>(),
        Volumes = new Dictionary<string, JsonObject>(),
        KnowsReplication = false,
        Protections = [],
        ProtectedTwice = new HashSet<string>(),
    };
}
