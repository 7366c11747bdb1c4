using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace RbdReplication.Kubernetes.Objects;

/// <summary>
/// Whole objects of any kind, as the API server writes them: for procedures that pass objects from one cluster to another, of which
/// no field may be lost. Kinds that are read by the thousand have types and streams of their own.
/// </summary>
/// <param name="api">The API server.</param>
public sealed class ObjectClient(KubernetesApi api)
{
    // As kubectl asks: an answer of many megabytes costs the server as much memory.
    private const int PageSize = 500;

    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(30);

    /// <summary>The API server's address, for messages.</summary>
    public Uri Address => api.Address;

    /// <summary>Reads an object; null where there is none.</summary>
    /// <exception cref="KubernetesApiException">The server refused it or cannot be reached.</exception>
    public async Task<JsonObject?> FindAsync(ResourceKind kind, ObjectName name, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(kind);
        try
        {
            return await ReadAsync(kind.ObjectPath(name), RequestTimeout, cancellation).ConfigureAwait(false);
        }
        catch (KubernetesApiException e) when (e.IsNotFound)
        {
            return null;
        }
    }

    /// <summary>Reads all objects of a kind, page by page; null where the server does not know the kind.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="nameSpace">Only those of this namespace; null for all.</param>
    /// <param name="selector">Only those with these labels, as <c>app=shop,tier!=cache</c>; null for all.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="KubernetesApiException">The server refused it or cannot be reached.</exception>
    public async Task<IReadOnlyList<JsonObject>?> ListAsync(ResourceKind kind, string? nameSpace, string? selector, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(kind);
        var found = new List<JsonObject>();
        string? next = null;
        try
        {
            do
            {
                var path = string.Create(CultureInfo.InvariantCulture, $"{kind.CollectionPath(nameSpace)}?limit={PageSize}")
                    + (selector is null ? "" : "&labelSelector=" + Uri.EscapeDataString(selector))
                    + (string.IsNullOrEmpty(next) ? "" : "&continue=" + Uri.EscapeDataString(next));
                var page = await ReadAsync(path, RequestTimeout, cancellation).ConfigureAwait(false);
                foreach (var item in page["items"] as JsonArray ?? [])
                {
                    if (item is not JsonObject one)
                        continue;
                    // The items of a list have neither.
                    one["apiVersion"] = kind.ApiVersion;
                    one["kind"] = kind.Kind;
                    found.Add(one);
                }
                next = page["metadata"]?["continue"]?.GetValue<string>();
            }
            while (!string.IsNullOrEmpty(next));
            return found;
        }
        catch (KubernetesApiException e) when (e.IsNotFound)
        {
            return null;
        }
    }

    /// <summary>Makes an object, and returns what the server made of it.</summary>
    /// <exception cref="KubernetesApiException">It exists already (<see cref="KubernetesApiException.IsConflict"/>), was refused, or the server cannot be reached.</exception>
    public Task<JsonObject> CreateAsync(ResourceKind kind, ObjectName name, JsonObject body, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(kind);
        return api.WriteAsync(HttpMethod.Post, kind.CollectionPath(name.Namespace), body, ObjectJson.Default.JsonObject, RequestTimeout, TimeProvider.System, cancellation);
    }

    /// <summary>Changes the fields that <paramref name="patch"/>, a JSON merge patch, has.</summary>
    /// <exception cref="KubernetesApiException">It does not exist, the change was refused, or the server cannot be reached.</exception>
    public Task PatchAsync(ResourceKind kind, ObjectName name, JsonObject patch, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(kind);
        return api.PatchAsync(kind.ObjectPath(name), patch, ObjectJson.Default.JsonObject, RequestTimeout, TimeProvider.System, cancellation);
    }

    /// <summary>Asks for an object to be deleted, which its finalizers may delay; done where there is none.</summary>
    /// <exception cref="KubernetesApiException">The server refused it or cannot be reached.</exception>
    public async Task DeleteAsync(ResourceKind kind, ObjectName name, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(kind);
        try
        {
            await api.DeleteAsync(kind.ObjectPath(name), ObjectJson.Default.JsonObject, RequestTimeout, TimeProvider.System, cancellation).ConfigureAwait(false);
        }
        catch (KubernetesApiException e) when (e.IsNotFound)
        {
        }
    }

    /// <summary>The server's version, as <c>v1.33.1</c>: whether it answers at all.</summary>
    /// <exception cref="KubernetesApiException">It does not answer within <paramref name="timeout"/>, or refuses.</exception>
    public async Task<string> GetVersionAsync(TimeSpan timeout, CancellationToken cancellation)
    {
        var version = await ReadAsync("version", timeout, cancellation).ConfigureAwait(false);
        return version["gitVersion"]?.GetValue<string>() ?? "";
    }

    private Task<JsonObject> ReadAsync(string path, TimeSpan timeout, CancellationToken cancellation) =>
        api.ReadAsync(path, ObjectJson.Default.JsonObject, timeout, TimeProvider.System, cancellation);
}

[JsonSerializable(typeof(JsonObject))]
internal sealed partial class ObjectJson : JsonSerializerContext;
