using System.Text;
using System.Text.Json.Nodes;
using RbdReplication.Core;
using RbdReplication.Kubernetes;

namespace RbdReplication.DisasterRecovery;

/// <summary>What would fail later, in a failover at the latest, is found when a claim is protected.</summary>
/// <param name="sites">The claims.</param>
/// <param name="options">What the protection is made with.</param>
internal sealed class ProtectionChecks(Sites sites, ProtectionOptions options)
{
    private const string ConfigFile = "config.json";
    private const string MappingFile = "cluster-mapping.json";
    private const string ScheduleParameter = "schedulingInterval";
    private const string SecretNamespace = "replication.storage.openshift.io/replication-secret-namespace";

    private readonly List<string> _problems = [];

    /// <exception cref="ProcedureException">Its message has every problem, one a line.</exception>
    public async Task RequireAsync(List<string> remarks, CancellationToken cancellation)
    {
        foreach (var (site, seen) in ((Site, SiteReading)[])[(sites.Here, sites.SeenHere), (sites.There, sites.SeenThere)])
        {
            if (!seen.KnowsReplication)
                _problems.Add($"{site.Name} does not know VolumeReplications: install the CSI-Addons controller and its CRDs there");
        }
        var classes = await CheckClassesAsync(cancellation).ConfigureAwait(false);
        var volumes = new List<(string Claim, JsonObject Volume)>();
        foreach (var name in sites.Claims)
        {
            if (CheckClaim(name) is { } volume)
                volumes.Add((name, volume));
        }
        foreach (var (claim, volume) in volumes)
            CheckVolume(claim, volume, classes);
        await CheckStorageClassesAsync(volumes, cancellation).ConfigureAwait(false);
        await CheckMappingAsync(volumes, classes, remarks, cancellation).ConfigureAwait(false);
        await CheckPoolsAsync(volumes, remarks, cancellation).ConfigureAwait(false);
        if (_problems.Count > 0)
            throw new ProcedureException(string.Join("\n", _problems), "mend these, and run this again; nothing was changed");
    }

    private JsonObject? CheckClaim(string name)
    {
        var full = $"{sites.Namespace}/{name}";
        if (sites.SeenHere.Claims.GetValueOrDefault(name) is not { } claim)
            return Problem($"{full}: {sites.Here.Name} has no such claim");
        if (claim.IsBeingDeleted())
            return Problem($"{full}: it is being deleted");
        if (claim.Text("status", "phase") is not "Bound" and var phase)
            return Problem($"{full}: it is {phase ?? "new"}, and only a bound claim has a volume to replicate");
        if (sites.SeenHere.VolumeOf(name) is not { } volume)
            return Problem($"{full}: its PersistentVolume {claim.Text("spec", "volumeName")} does not exist");
        if (sites.SeenHere.ProtectedTwice.Contains(name))
            return Problem($"{full}: more than one VolumeReplication or VolumeGroupReplication switches it; delete all but one");
        if (sites.SeenHere.ProtectionOf(name) is null && options.Class is null)
            return Problem($"{full}: it is not protected yet, so its VolumeReplicationClass has to be given (--class)");
        if (sites.SeenHere.ProtectionOf(name) is { Wanted: not Role.Primary } other)
            return Problem($"{full}: {sites.Here.Name} is {other.Object.Text("spec", "replicationState")} of it; protect it where it is used, or swap --context and --peer-context");
        if (sites.SeenHere.ProtectionOf(name) is { } protection && options.Group is { } group && !(protection.IsGroup && protection.Name.Name == group))
            return Problem($"{full}: {protection.Kind.Kind} {protection.Name} replicates it already; delete that first (dr unprotect), or leave it out of the group");
        if (sites.SeenThere.ProtectionOf(name) is { Wanted: Role.Primary })
            return Problem($"{full}: both sites are primary of it; dr failback makes one of them follow");
        return volume;
    }

    private void CheckVolume(string claim, JsonObject volume, IReadOnlyDictionary<string, JsonObject> classes)
    {
        var full = $"{sites.Namespace}/{claim}";
        if (volume.Text("spec", "csi", "driver") is not { } driver)
        {
            _problems.Add($"{full}: its PersistentVolume {volume.Name()} is of no CSI driver");
            return;
        }
        var className = sites.SeenHere.ProtectionOf(claim)?.Class ?? options.Class;
        if (className is not null && classes.GetValueOrDefault(className)?.Text("spec", "provisioner") is { } provisioner && provisioner != driver)
            _problems.Add($"{full}: its driver is {driver}, and VolumeReplicationClass {className} is for {provisioner}");
        if (volume.Text("spec", "csi", "volumeAttributes", "fsName") is not null)
            _problems.Add($"{full}: it is of CephFS; rbd-replication replicates RBD images");
        else if (!VolumeHandle.TryParse(volume.Text("spec", "csi", "volumeHandle") ?? "", out _, out var reason))
            _problems.Add($"{full}: its volumeHandle is not valid: {reason}");
        if (volume.Text("spec", "persistentVolumeReclaimPolicy") != "Retain")
        {
            _problems.Add($"{full}: its PersistentVolume would be deleted with the claim, and the data of both sites with it: "
                + $"kubectl --context {sites.Here.Name} patch pv {volume.Name()} -p '{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Retain\"}}}}'");
        }
        if (volume.Text("spec", "csi", "volumeAttributes", "staticVolume") == "true")
            _problems.Add($"{full}: it is a static volume, which the omap generator leaves alone");
        if (options.Group is not null && volume.Text("spec", "csi", "volumeAttributes", "imageFeatures")?.Contains("exclusive-lock", StringComparison.Ordinal) != true)
            _problems.Add($"{full}: its image has no exclusive-lock (imageFeatures of the StorageClass), without which no instant can be taken of a group");
    }

    private async Task<IReadOnlyDictionary<string, JsonObject>> CheckClassesAsync(CancellationToken cancellation)
    {
        var names = sites.Claims.Select(claim => sites.SeenHere.ProtectionOf(claim)?.Class).Append(options.Class).OfType<string>().Distinct().ToList();
        var here = await sites.Here.FindManyAsync(Kinds.VolumeReplicationClass, names, cancellation).ConfigureAwait(false);
        var there = await sites.There.FindManyAsync(Kinds.VolumeReplicationClass, names, cancellation).ConfigureAwait(false);
        foreach (var name in names)
        {
            CheckClass(name, "provisioner", here.GetValueOrDefault(name), there.GetValueOrDefault(name), ["spec", "provisioner"]);
            if (here.TryGetValue(name, out var own) && there.TryGetValue(name, out var other))
            {
                CheckClass(name, ScheduleParameter, own, other, ["spec", "parameters", ScheduleParameter]);
                CheckClass(name, "mirroringMode", own, other, ["spec", "parameters", "mirroringMode"]);
            }
        }
        if (options.Group is not null && options.GroupClass is { } groupClass)
        {
            foreach (var site in (Site[])[sites.Here, sites.There])
            {
                if (await site.FindAsync(Kinds.GroupReplicationClass, new ObjectName("", groupClass), cancellation).ConfigureAwait(false) is null)
                    _problems.Add($"{site.Name} has no VolumeGroupReplicationClass {groupClass}");
            }
        }
        return here;
    }

    private void CheckClass(string name, string what, JsonObject? here, JsonObject? there, ReadOnlySpan<string> field)
    {
        if (here is null)
            _problems.Add($"{sites.Here.Name} has no VolumeReplicationClass {name}");
        if (there is null)
            _problems.Add($"{sites.There.Name} has no VolumeReplicationClass {name}, which a failover needs there");
        // After a move the other site's class is the one that counts.
        if (here is not null && there is not null && here.Text(field) != there.Text(field))
            _problems.Add($"VolumeReplicationClass {name}: its {what} is \"{here.Text(field)}\" at {sites.Here.Name} and \"{there.Text(field)}\" at {sites.There.Name}");
    }

    private async Task CheckStorageClassesAsync(List<(string Claim, JsonObject Volume)> volumes, CancellationToken cancellation)
    {
        var names = volumes.Select(item => item.Volume.Text("spec", "storageClassName")).OfType<string>().Distinct().ToList();
        var there = await sites.There.FindManyAsync(Kinds.StorageClass, names, cancellation).ConfigureAwait(false);
        foreach (var name in names)
        {
            var driver = volumes.First(item => item.Volume.Text("spec", "storageClassName") == name).Volume.Text("spec", "csi", "driver");
            if (there.GetValueOrDefault(name) is not { } found)
                _problems.Add($"{sites.There.Name} has no StorageClass {name}; volumes there could not grow, and new ones not be made");
            else if (found.Text("provisioner") != driver)
                _problems.Add($"StorageClass {name} of {sites.There.Name} is of {found.Text("provisioner")}, and the volumes are of {driver}");
        }
    }

    // Where the driver's ConfigMap is, nobody says; it is as a rule where the class's secret is.
    private async Task CheckMappingAsync(
        List<(string Claim, JsonObject Volume)> volumes, IReadOnlyDictionary<string, JsonObject> classes, List<string> remarks, CancellationToken cancellation)
    {
        var nameSpace = classes.Values.Select(found => found.Text("spec", "parameters", SecretNamespace)).OfType<string>().FirstOrDefault();
        if (nameSpace is null || volumes.Count == 0)
            return;
        var maps = await sites.There.PeekAsync(Kinds.ConfigMap, nameSpace, cancellation).ConfigureAwait(false) ?? [];
        var texts = maps.Select(map => map.Text("data", MappingFile)).OfType<string>().ToList();
        // Two sites may have one cluster id: what it means there is decided by the server, not by the mapping alone.
        var known = maps.Select(map => map.Text("data", ConfigFile)).OfType<string>().SelectMany(ClusterIds).ToHashSet(StringComparer.Ordinal);
        if (texts.Count == 0)
        {
            remarks.Add($"not checked: no ConfigMap with {MappingFile} is seen in namespace {nameSpace} of {sites.There.Name}, by which its server finds volumes of {sites.Here.Name}");
            return;
        }
        foreach (var place in volumes.Select(item => PlaceOf(item.Volume)).OfType<(string ClusterId, long PoolId)>().Distinct())
        {
            if (!known.Contains(place.ClusterId) && !texts.Any(text => Maps(text, place)))
                _problems.Add($"{MappingFile} in namespace {nameSpace} of {sites.There.Name} does not map cluster \"{place.ClusterId}\" and pool {place.PoolId} of {sites.Here.Name}");
        }
    }

    private static (string ClusterId, long PoolId)? PlaceOf(JsonObject volume) =>
        VolumeHandle.TryParse(volume.Text("spec", "csi", "volumeHandle") ?? "", out var handle, out _) ? (handle.ClusterId, handle.PoolId) : null;

    private static bool Maps(string text, (string ClusterId, long PoolId) place)
    {
        try
        {
            return ClusterMapping.Parse(Encoding.UTF8.GetBytes(text)).LocationsFor(place.ClusterId, place.PoolId).Any();
        }
        catch (FormatException)
        {
            return false;
        }
    }

    private static IReadOnlyCollection<string> ClusterIds(string text)
    {
        try
        {
            return ClusterConfig.Parse(Encoding.UTF8.GetBytes(text)).ClusterIds;
        }
        catch (FormatException)
        {
            return [];
        }
    }

    // Only Rook tells Kubernetes about pools.
    private async Task CheckPoolsAsync(List<(string Claim, JsonObject Volume)> volumes, List<string> remarks, CancellationToken cancellation)
    {
        var pools = volumes.Select(item => item.Volume.Text("spec", "csi", "volumeAttributes", "pool")).OfType<string>().Distinct().ToList();
        foreach (var site in (Site[])[sites.Here, sites.There])
        {
            if (await site.PeekAsync(Kinds.BlockPool, null, cancellation).ConfigureAwait(false) is not { } found)
            {
                remarks.Add($"not checked before the first sync: whether the pools of {site.Name} are mirrored (no CephBlockPools are seen there)");
                continue;
            }
            foreach (var pool in found.Where(pool => pools.Contains(pool.Text("spec", "name") ?? pool.Name()) && pool.At("spec", "mirroring", "enabled")?.GetValue<bool>() != true))
                _problems.Add($"CephBlockPool {pool.Namespace()}/{pool.Name()} of {site.Name} is not mirrored (spec.mirroring.enabled)");
        }
    }

    private JsonObject? Problem(string text)
    {
        _problems.Add(text);
        return null;
    }
}
